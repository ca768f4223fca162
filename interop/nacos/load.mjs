// A server that is killed and started again while 2 000 instances are registered and calls run (D-51: redo must not forget anybody).
import { createRuntime } from "@dubhe/concurrency";
import { createInstance } from "@dubhe/discovery";
import { nacosRegistry, parseNacosUrl } from "@dubhe/registry-nacos";
import { createApp } from "dubhe";
import { GreetService } from "../gen/greet_pb.js";
import { adminOf } from "./admin.mjs";
import { startServer } from "./server.mjs";
import { pause, until } from "./wait.mjs";

const PROCESSES = 20;
const INSTANCES = 100;
const ROUNDS = 2;

export async function loadSteps(trial) {
  const server = await startServer(trial);
  const app = createApp({ name: "load", registry: server.url });
  trial.onEnd(() => app.close());
  const provider = app.createServer({ listen: "127.0.0.1:0" });
  provider.add(GreetService, { greet: (request) => ({ greeting: `hi ${request.name}` }) });
  const providers = Array.from({ length: PROCESSES }, () => nacosRegistry(createRuntime(), parseNacosUrl(server.url)));
  trial.onEnd(() => Promise.all(providers.map((registry) => registry.close())));

  const registrations = [];
  const register = (from, to) => {
    for (const [p, registry] of providers.entries())
      for (let n = from; n < to; n++)
        registrations.push(
          registry.register(createInstance({ application: "crowd", host: `10.1.${p}.1`, port: 20_000 + n })),
        );
  };
  /** Addresses that the server lists with this metadata. */
  const listed = async (round) => {
    const admin = await adminOf(server.url);
    const scope = { module: "naming", namespace: "public", groupName: "DEFAULT_GROUP", serviceName: "crowd" };
    const { serviceInfo } = await admin.request("ServiceQueryRequest", {
      ...scope,
      cluster: "",
      healthyOnly: false,
      udpPort: 0,
    });
    await admin.close();
    const hosts = (serviceInfo?.hosts ?? []).filter(({ metadata }) => metadata?.round === round);
    return new Set(hosts.map(({ ip, port }) => `${ip}:${port}`)).size;
  };
  const everybody = async (count, round) => {
    const from = performance.now();
    await until(
      () => registrations.every(({ state }) => state.value === "confirmed"),
      () => `all confirmed; ${registrations.filter(({ state }) => state.value !== "confirmed").length} are not`,
      30_000,
    );
    // A query is answered from a cache that trails by half a second.
    for (let tries = 0; (await listed(round)) !== count; tries++) {
      if (tries === 40) throw new Error(`the server lists ${await listed(round)} of ${count}`);
      await pause(250);
    }
    return `${count} of ${count} at the server, ${Math.round(performance.now() - from)} ms later`;
  };

  const calls = { ok: 0, failed: [] };
  let calling = true;
  await provider.start();
  const greet = app.client(GreetService);
  const caller = (async () => {
    while (calling) {
      try {
        await greet.greet({ name: "x" }, { timeoutMs: 3_000 });
        calls.ok += 1;
      } catch (error) {
        calls.failed.push(error.message);
      }
      await pause(5);
    }
  })();
  trial.onEnd(() => {
    calling = false;
    return caller;
  });

  await trial.step("real Nacos", "takes 1 000 instances of 20 connections", async () => {
    register(0, INSTANCES / 2);
    return await everybody((PROCESSES * INSTANCES) / 2);
  });
  for (let round = 1; round <= ROUNDS; round++) {
    await trial.step(
      "real Nacos",
      `is killed in the midst of registrations and comes back, round ${round} (D-51)`,
      async () => {
        if (round === 1) register(INSTANCES / 2, INSTANCES);
        else for (const [n, registration] of registrations.entries()) registration.update(updated(n));
        await pause(20);
        server.kill();
        await server.start();
        return await everybody(PROCESSES * INSTANCES, round === 1 ? undefined : "2");
      },
    );
  }
  function updated(n) {
    const [p, port] = [Math.floor((n % 1000) / 50), (n % 50) + (n < 1000 ? 0 : 50)];
    return createInstance({ application: "crowd", host: `10.1.${p}.1`, port: 20_000 + port, metadata: { round: "2" } });
  }
  await trial.step("Dubhe", "went on calling all the while", async () => {
    calling = false;
    await caller;
    if (calls.failed.length > 0 || calls.ok < 500)
      throw new Error(`${calls.ok} calls, failed: ${calls.failed.join("; ")}`);
    return `${calls.ok} calls, none failed`;
  });
  await provider.close();
}
