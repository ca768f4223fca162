// Lists of 5 000 instances from a real server: 50 providers of 100 each, and a consumer with discovery on top. How long such a list holds
// up the process is measured better by push-bench.mjs, whose consumer has a process to itself; here a bound for a busy machine is kept.
import { createRuntime } from "@dubhe/concurrency";
import { createInstance, createMetadataInfo, ServiceDiscoveryRegistry } from "@dubhe/discovery";
import { nacosRegistry, parseNacosUrl } from "@dubhe/registry-nacos";
import { adminOf } from "./admin.mjs";
import { startServer } from "./server.mjs";
import { Turns } from "./turns.mjs";
import { pause, until } from "./wait.mjs";

const PROVIDERS = 50;
const EACH = 100;
const ALL = PROVIDERS * EACH;
/** Of CPU: how long others had the core in between says nothing. */
const LONGEST_TURN_MS = 100;

export async function pushSteps(trial) {
  const server = await startServer(trial);
  const open = () => nacosRegistry(createRuntime(), parseNacosUrl(server.url));
  const providers = Array.from({ length: PROVIDERS }, open);
  trial.onEnd(() => Promise.all(providers.map((registry) => registry.close())));
  const instance = (p, n, tag = "a") =>
    createInstance({
      application: "crowd",
      host: `10.1.${p}.1`,
      port: 20_000 + n,
      metadata: {
        "dubbo.endpoints": `[{"port":${20_000 + n},"protocol":"tri"}]`,
        "dubbo.metadata.revision": "44ca70c86561483beed148ddb02b048d",
        "dubbo.metadata.storage-type": "local",
        tag,
      },
    });
  const registrations = providers.map((registry, p) =>
    Array.from({ length: EACH }, (_, n) => registry.register(instance(p, n))),
  );
  const consumer = open();
  const info = createMetadataInfo({ app: "crowd", services: [{ name: "com.Foo" }] });
  const runtime = createRuntime();
  const discovery = new ServiceDiscoveryRegistry(runtime, {
    registries: [consumer],
    fetchMetadata: async (_instance, revision) => ({ ...info, revision }),
  });
  trial.onEnd(async () => {
    await discovery.close();
    await consumer.close();
  });
  const lease = discovery.subscribe({ service: "com.Foo", providedBy: ["crowd"] });
  trial.onEnd(() => lease.release());
  const counters = () => consumer.inspect().subscriptions.counters;
  const state = () => JSON.stringify({ endpoints: lease.view.table.size, counters: counters() });

  await trial.step("real Nacos", `lists ${ALL} instances of ${PROVIDERS} connections`, async () => {
    const ms = await until(() => lease.view.table.size === ALL, state, 60_000);
    const admin = await adminOf(server.url);
    const scope = { module: "naming", namespace: "public", groupName: "DEFAULT_GROUP", serviceName: "crowd" };
    const answer = await admin.request("ServiceQueryRequest", {
      ...scope,
      cluster: "",
      healthyOnly: false,
      udpPort: 0,
    });
    await admin.close();
    const megabytes = (JSON.stringify(answer).length / 1e6).toFixed(1);
    return `all are endpoints after ${ms} ms; a list of them is ${megabytes} MB of JSON`;
  });
  // Pushes of the registrations are merged for 500 ms.
  await pause(2_000);

  const turns = new Turns();
  trial.onEnd(() => turns.end());
  /** What a push brings, from 100 ms after its cause: until then the providers are at work in this process. */
  const measured = async (what, cause, seen) => {
    const before = counters();
    await cause();
    await pause(100);
    turns.reset();
    await until(() => counters().received > before.received && seen(before), state, 15_000);
    await pause(300);
    const after = counters();
    const of = (name) => after[name] - before[name];
    const longest = turns.longest.toFixed(1);
    if (turns.cpu > LONGEST_TURN_MS) throw new Error(`a turn of ${turns.cpu.toFixed(1)} ms of CPU`);
    return `${what}: longest turn ${longest} ms, at most ${turns.cpu.toFixed(1)} ms of CPU; ${of("received")} lists, ${of("parsed")} instances parsed, ${of("reused")} known by their bytes, ${of("identical")} identical`;
  };
  await trial.step("real Nacos", "pushes the list for one change: only that is read", async () => {
    const port = (n) => `10.1.0.1:${20_000 + n}`;
    const saw = await measured(
      "one of 5 000",
      () => registrations[0][7].update(instance(0, 7, "b")),
      () => lease.view.table.get(port(7))?.instance.metadata.tag === "b",
    );
    const { parsed } = counters();
    if (parsed > 3 * ALL) throw new Error(state());
    return saw;
  });
  await trial.step(
    "real Nacos",
    "pushes a list that says what is known: it is counted, and nobody is told",
    async () => {
      const { delivered } = counters();
      const saw = await measured(
        "there and back",
        async () => {
          // Both within the time for which the server merges pushes.
          registrations[0][7].update(instance(0, 7, "c"));
          await until(() => registrations[0][7].state.value === "confirmed", state, 5_000);
          registrations[0][7].update(instance(0, 7, "b"));
        },
        (before) => counters().identical > before.identical,
      );
      if (counters().delivered !== delivered) throw new Error(`somebody was told: ${state()}`);
      return saw;
    },
  );
  turns.end();
  // Not measured: the providers, in this process, have more to do than the consumer.
  await trial.step("real Nacos", "pushes lists while all are changing: all changes arrive", async () => {
    const before = counters();
    for (const [p, those] of registrations.entries())
      for (const [n, registration] of those.entries()) registration.update(instance(p, n, "d"));
    const changed = () => lease.view.table.values().every((endpoint) => endpoint.instance.metadata.tag === "d");
    const ms = await until(changed, state, 30_000);
    const { received, parsed } = counters();
    return `after ${ms} ms, by ${received - before.received} lists, ${parsed - before.parsed} instances parsed`;
  });
}
