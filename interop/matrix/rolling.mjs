// A provider is replaced under load, twice: each successor has another revision, its predecessor stops gracefully, and no call
// fails.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../lib/ports.mjs";
import { signature, startConsumerOf, startProviderOf } from "./sides.mjs";

const WAIT_MS = 40_000;
const SEEN_MS = 30_000;
/** Calls go on for so long after a provider has left. */
const AFTER_MS = 1_000;

export async function runRolling(config, trial, registry) {
  let port = await freePort();
  let server = await startProviderOf(config, trial, registry, port);
  const consumer = await startConsumerOf(config, trial, registry, port, { loop: true, wait: WAIT_MS });
  await answered(port);
  for (const revision of ["second", "third"]) {
    const predecessor = server;
    port = await freePort();
    server = await startProviderOf(config, trial, registry, port, { "also-group": revision });
    await answered(port);
    predecessor.kill("SIGTERM");
    await predecessor.wait(30_000);
    await sleep(AFTER_MS);
  }
  consumer.process.stdin.end();
  const { calls, failed } = JSON.parse((await consumer.waitFor(/^\{"loop":"end".*$/m, 30_000))[0]);
  await consumer.wait(20_000);
  server.kill("SIGTERM");
  await server.wait(20_000);
  assert.ok(calls > 100, `${calls} calls`);
  assert.equal(failed, 0, `${failed} of ${calls} calls failed\n${consumer.tail(30)}`);
  return calls;

  async function answered(by) {
    await consumer.waitFor(new RegExp(`"peer":"${signature(config, by)}"`), SEEN_MS);
  }
}
