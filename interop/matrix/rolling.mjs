// A provider is replaced under load, twice: each successor has another revision, its predecessor is told to stop, and no call
// fails, unless the predecessor closes connections with calls in flight: then no others than these.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../lib/ports.mjs";
import { callsOneRevision, reasonToDrop } from "./excluded.mjs";
import { signature, startConsumerOf, startProviderOf } from "./sides.mjs";

const WAIT_MS = 40_000;
/** A peer that could not read a new revision's metadata tries again after ten to thirty seconds. */
const SEEN_MS = 60_000;
/** Calls go on for so long beside both providers, and after one has left. */
const PAUSE_MS = 1_000;
/** How many a consumer keeps in flight. */
const CALLERS = 8;

export async function runRolling(config, trial, registry) {
  let port = await freePort();
  let server = await startProviderOf(config, trial, registry, port);
  const consumer = await startConsumerOf(config, trial, registry, port, { loop: true, wait: WAIT_MS });
  await answered(port);
  const left = [];
  for (const revision of ["second", "third"]) {
    const predecessor = server;
    left.push(port);
    port = await freePort();
    server = await startProviderOf(config, trial, registry, port, { "also-group": revision });
    if (!callsOneRevision(config)) await answered(port);
    await sleep(PAUSE_MS);
    predecessor.kill("SIGTERM");
    await predecessor.wait(30_000);
    await answered(port);
    await sleep(PAUSE_MS);
  }
  consumer.process.stdin.end();
  const { calls, failed } = JSON.parse((await consumer.waitFor(/^\{"loop":"end".*$/m, 30_000))[0]);
  await consumer.wait(20_000);
  server.kill("SIGTERM");
  await server.wait(20_000);
  assert.ok(calls > 100, `${calls} calls`);
  if (config.against !== undefined || reasonToDrop(config) === undefined) {
    assert.equal(failed, 0, `${failed} of ${calls} calls failed\n${consumer.tail(30)}`);
    return { count: calls };
  }
  const failures = consumer.stdout.match(/^\{"loop":"failure".*$/gm) ?? [];
  assert.equal(failures.length, failed, `${failed} of ${calls} calls failed\n${consumer.tail(30)}`);
  for (const line of failures)
    assert.ok(wasDropped(JSON.parse(line), left), `${line} is not a call dropped by ${left}`);
  // Each caller may be told that there is no such service, and then be cut off.
  const most = 2 * CALLERS * left.length;
  assert.ok(failed <= most, `${failed} calls, more than ${most}, when ${left} closed`);
  return { count: calls, dropped: failed };

  async function answered(by) {
    await consumer.waitFor(new RegExp(`"peer":"${signature(config, by)}"`), SEEN_MS);
  }
}

/** Of a call that the server had begun to answer, or answered without a service. */
const GONE = /^the peer closed the connection|^Service not found:|^Invoker for gRPC not found/;

/** A call that a server at one of these ports may have made when it reset it or closed the connection, or for which it had no service any more. */
export const wasDropped = ({ attempts }, ports) =>
  attempts?.length === 1 &&
  (attempts[0].processed === "maybe" || (attempts[0].processed === "yes" && GONE.test(attempts[0].message))) &&
  ports.some((port) => attempts[0].endpoint.endsWith(`:${port}`));
