import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createInstance, MemoryRegistryServer, memoryRegistry } from "@dubhe/discovery";
import { configureRegistries } from "dubhe/tools";
import { Session } from "../session.js";
import type { Terminal } from "../terminal.js";
import { closedPort, fill } from "../test-support/bench.js";
import { explain } from "./explain.js";
import type { Explanation } from "./explanation.js";

const name = "greet.GreetService";

/** Explains a service that has one provider of this weight in each model, and a rule with this proportion. */
async function explained(t: TestContext, weight: number, proportion: number): Promise<Explanation> {
  const server = new MemoryRegistryServer(`proportion-${weight}-${proportion}`);
  const terminal: Terminal = {
    out: () => {},
    err: (text) => assert.fail(text),
    colours: false,
    env: {},
    signal: new AbortController().signal,
  };
  const options = { registries: ["memory:unused"], timeoutMs: 2_000, json: false, help: false, tls: undefined };
  const session = new Session(options, terminal, "explain");
  const registry = memoryRegistry(session.runtime, server);
  t.after(() => Promise.all([registry.close(), session[Symbol.asyncDispose]()]));
  const registries = configureRegistries(session.runtime, { registry, type: "all" }, "test", {});
  Object.defineProperty(session, "registries", { value: registries });
  const rule = JSON.stringify({ key: "cart", step: "APPLICATION_FIRST", proportion });
  server.store.setConfiguration("DUBBO_SERVICEDISCOVERY_MIGRATION", "cart.migration", rule);
  const [port, other] = [await closedPort(), await closedPort()];
  await fill(registry, { port, services: [{ name, protocol: "tri" }], instance: { weight } });
  const registration = registry.interfaces?.register({
    instance: createInstance({ application: "old", host: "127.0.0.1", port: other, weight }),
    service: { name, group: "", version: "", protocol: "tri", port: other, path: name, params: {} },
  });
  await registration?.state.until((state) => state === "confirmed");
  const ref = { service: name, group: "", version: "", protocol: "tri" };
  return await explain(session, ref, { tls: undefined, application: "cart" });
}

function notes({ steps }: Explanation): readonly string[] {
  const lines = steps.find((step) => step.name === "endpoints")?.lines ?? [];
  return lines.flatMap(({ mark, text }) => (mark === "note" ? [text] : []));
}

for (const [weight, proportion] of [
  [100, 33],
  // Of whole weights: 1.5 and 3.5, of which nothing is left to show but what they have become.
  [5, 30],
  [1, 30],
] as const) {
  test(`a proportion of ${proportion} among weights of ${weight}: what the weights in force make of it`, async (t) => {
    const explanation = await explained(t, weight, proportion);
    const { consumer, endpoints } = explanation;
    const weightOf = (application: string): number =>
      endpoints.find(({ applications }) => applications[0] === application)?.weight ?? Number.NaN;
    const all = weightOf("shop") + weightOf("old");
    const percent = Math.round((weightOf("shop") / all) * 1_000) / 10;
    assert.ok(weight < 100 || (percent === 33 && weightOf("shop") === 33), String(percent));
    assert.equal(consumer?.migrations[0]?.applicationPercent, percent);
    const rest = Number((100 - percent).toFixed(1));
    assert.deepEqual(notes(explanation), [
      `memory:proportion-${weight}-${proportion} has both models; by migration step APPLICATION_FIRST and its proportion ${percent} % of the calls go to the application level, ${rest} % to the interface level`,
    ]);
  });
}

test("a proportion of 0: all calls go to the interface level", async (t) => {
  const [first = ""] = notes(await explained(t, 100, 0));
  assert.match(
    first,
    / and its proportion 0 % of the calls go to the application level, 100 % to the interface level$/,
  );
});

test("a proportion of 100 is none", async (t) => {
  const explanation = await explained(t, 100, 100);
  assert.match(notes(explanation)[0] ?? "", /by migration step APPLICATION_FIRST the application level counts$/);
  assert.deepEqual(Object.keys(explanation.consumer?.migrations[0] ?? {}), ["registry", "step", "shown"]);
});
