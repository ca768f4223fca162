// (f) `npm start`, the incident, against real Nacos: a client per request while providers join, leave and are killed.
import assert from "node:assert/strict";
import { join } from "node:path";
import { interop, startNacos } from "../lib/peers.mjs";

export const title = "npm start against real Nacos";

export async function run(trial) {
  const nacos = await startNacos(trial);
  const tap = await trial.tap("the incident to Nacos", { port: nacos.grpc });
  const registry = `nacos://127.0.0.1:${tap.port - 1000}`;
  const incident = async (...flags) => {
    const args = ["start", "--", "--registry", registry, ...flags];
    const child = trial.start("npm start", "npm", args, { cwd: join(interop, ".."), group: true });
    const end = await child.wait(120_000);
    assert.equal(end.code, 0, `exit status of npm ${args.join(" ")}\n${child.tail(40)}`);
    const lines = child.stdout.trimEnd().split("\n");
    return lines.slice(lines.findIndex((line) => line.startsWith("calls   ")));
  };
  await trial.step("Nacos", "carries 10 000 clients, 1 000 at a time", () =>
    incident("--clients", "10000", "--concurrency", "1000", "--no-churn"),
  );
  await trial.step("Nacos", "carries the incident: providers join, leave and are killed", () => incident());
}
