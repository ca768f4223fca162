// (f) `npm start`, the incident, against real Nacos: a client per request while providers join, leave and are killed.
import assert from "node:assert/strict";
import { join } from "node:path";
import { interop, startNacos } from "../lib/peers.mjs";

export const title = "npm start against real Nacos";

export async function run(trial) {
  const nacos = await startNacos(trial);
  console.log(`  ${nacos.said}`);
  const tap = await trial.tap("the incident to Nacos", { port: nacos.grpc });
  await trial.step("Nacos", "carries the incident: 10 000 clients, 1 000 at a time", async () => {
    const registry = `nacos://127.0.0.1:${tap.port - 1000}`;
    const args = ["start", "--", "--registry", registry, "--clients", "10000", "--concurrency", "1000"];
    const child = trial.start("npm start", "npm", args, { cwd: join(interop, ".."), group: true });
    const end = await child.wait(120_000);
    assert.equal(end.code, 0, `exit status of npm start\n${child.tail(40)}`);
    return child.stdout.trimEnd().split("\n").slice(-25);
  });
}
