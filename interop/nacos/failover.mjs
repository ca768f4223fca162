// Two servers that know nothing of each other, as two members of a cluster look to a client that fails over: one dead from the
// beginning, one that dies later, one that is frozen and so neither answers nor hangs up.
import { createRuntime } from "@dubhe/concurrency";
import { createInstance } from "@dubhe/discovery";
import { nacosRegistry, parseNacosUrl } from "@dubhe/registry-nacos";
import { startServer } from "./server.mjs";
import { until, watchPorts } from "./wait.mjs";

/** 5 s without traffic, a probe of 3 s, another of 1 s, the connect to the next, and as much again for a loaded machine. */
const FROZEN_BOUND_MS = 20_000;

export async function failoverSteps(trial) {
  const [first, second] = await Promise.all([startServer(trial), startServer(trial)]);
  const open = (url) => {
    const registry = nacosRegistry(createRuntime(), parseNacosUrl(url));
    trial.onEnd(() => registry.close());
    return registry;
  };
  const both = `nacos://127.0.0.1:${first.port},127.0.0.1:${second.port}`;
  const sessionOf = (registry) => registry.inspect().session;
  const at = (registry, server) => sessionOf(registry).server === `127.0.0.1:${server.grpc}`;

  await trial.step("real Nacos", "of two servers one never lived: the other is found", async () => {
    const took = [];
    for (const url of [
      `nacos://127.0.0.1:1,127.0.0.1:${first.port}`,
      `nacos://127.0.0.1:${first.port}?backup=127.0.0.1:1`,
    ]) {
      const registry = open(url);
      const registration = registry.register(createInstance({ application: "dead", host: "10.0.0.1", port: 1 }));
      took.push(
        await until(
          () => registration.state.value === "confirmed",
          () => JSON.stringify(sessionOf(registry)),
          10_000,
        ),
      );
      await registry.close();
    }
    return `registered after ${took.join(" and ")} ms`;
  });

  const registry = open(both);
  const ports = Array.from({ length: 50 }, (_, n) => 20_000 + n);
  const registrations = ports.map((port) =>
    registry.register(createInstance({ application: "shop", host: "10.0.0.1", port })),
  );
  const entry = registry.mapping.add("com.Shop", "shop");
  const seen = watchPorts(registry, "shop");
  const complete = () =>
    registrations.every(({ state }) => state.value === "confirmed") &&
    entry.state.value === "confirmed" &&
    seen.ports?.length === ports.length;
  const state = () => JSON.stringify({ session: sessionOf(registry), seen: seen.ports?.length, errors: seen.errors });
  let current;
  let other;
  await trial.step("real Nacos", "takes 50 instances, on one of two servers", async () => {
    await until(complete, state, 15_000);
    [current, other] = at(registry, first) ? [first, second] : [second, first];
    return sessionOf(registry).server;
  });

  await trial.step("real Nacos", "is frozen: noticed, and everything is on the other one", async () => {
    current.freeze();
    const noticed = await until(
      () => sessionOf(registry).sessionsLost > 0 || !at(registry, current),
      state,
      FROZEN_BOUND_MS,
    );
    const took = await until(() => at(registry, other) && complete(), state, 15_000);
    if (seen.errors.length === 0) throw new Error("nobody was told");
    current.thaw();
    return `noticed after ${noticed} ms, complete ${took} ms later; errors: ${seen.errors.join("; ")}`;
  });

  await trial.step("real Nacos", "dies: everything is back on the first", async () => {
    [current, other] = [other, current];
    current.kill();
    const took = await until(() => at(registry, other) && complete(), state, 20_000);
    if (seen.lists === 0) throw new Error(state());
    return `${took} ms after the kill`;
  });
  await registry.close();
}
