// After a restart a Nacos server knows no ephemeral instance, no subscription and no listener; configurations it keeps.
import { createRuntime } from "@dubhe/concurrency";
import { createInstance } from "@dubhe/discovery";
import { nacosRegistry, parseNacosUrl } from "@dubhe/registry-nacos";
import { startServer } from "./server.mjs";
import { until, watchPorts } from "./wait.mjs";

const APPLICATIONS = 20;
const PROVIDERS = 5;

export async function restartSteps(trial) {
  const server = await startServer(trial);
  const open = () => {
    const registry = nacosRegistry(createRuntime(), parseNacosUrl(server.url));
    trial.onEnd(() => registry.close());
    return registry;
  };
  const applications = Array.from({ length: APPLICATIONS }, (_, n) => `app${n}`);
  const providers = Array.from({ length: PROVIDERS }, open);
  const registrations = providers.flatMap((provider, p) =>
    applications.flatMap((application) =>
      [1, 2, 3].map((n) =>
        provider.register(createInstance({ application, host: "10.0.0.1", port: 100 * (p + 1) + n })),
      ),
    ),
  );
  const consumer = open();
  const seen = applications.map((application) => watchPorts(consumer, application));
  const mappings = {};
  for (const name of ["a", "b"]) {
    consumer.mapping.watch(`com.${name}`, (event) => {
      if (event.kind === "mapping") mappings[name] = event.applications.join();
    });
  }
  const entry = providers[0].mapping.add("com.a", "shop");
  const state = () =>
    JSON.stringify({
      seen: seen.map(({ ports }) => ports?.length),
      unconfirmed: registrations.filter(({ state }) => state.value !== "confirmed").length,
      mappings,
      health: consumer.health.value,
    });
  const complete = () =>
    registrations.every(({ state }) => state.value === "confirmed") &&
    seen.every(({ ports }) => ports?.length === 3 * PROVIDERS);

  await trial.step(
    "real Nacos",
    `takes ${registrations.length} instances of ${APPLICATIONS} applications`,
    async () => {
      const ms = await until(() => complete() && mappings.a === "shop", state, 30_000);
      return `all visible after ${ms} ms`;
    },
  );
  for (let round = 1; round <= 2; round++) {
    server.kill();
    await trial.step("real Nacos", "is killed: an error, never an empty list", async () => {
      await until(() => seen.every(({ errors }) => errors.length > 0), state, 15_000);
      if (seen.some(({ ports }) => ports.length === 0)) throw new Error(`an empty list: ${state()}`);
    });
    await server.start();
    await trial.step("real Nacos", "has everything again", async () => {
      const ms = await until(complete, state, 30_000);
      return `${ms} ms after its start`;
    });
    await trial.step("real Nacos", "tells of a mapping that is written after the restart (D-52)", async () => {
      const writer = open();
      const added = writer.mapping.add("com.b", `late${round}`);
      const ms = await until(() => mappings.b?.includes(`late${round}`) === true, state, 10_000);
      await until(() => added.state.value === "confirmed", state, 10_000);
      await writer.close();
      return `${ms} ms, as ${mappings.b}`;
    });
    for (const one of seen) one.errors.length = 0;
  }
  if (entry.state.value !== "confirmed") throw new Error(state());
}
