// One configuration: both sides are started in its order, the consumer makes every call, and the answers are checked.
import assert from "node:assert/strict";
import { freePort } from "../lib/ports.mjs";
import { checkGreetings, linesOf } from "../lib/verdicts.mjs";
import { CALLS } from "./axes.mjs";
import { signature, startConsumerOf, startProviderOf } from "./sides.mjs";

const WAIT_MS = 40_000;

/** What each failing call must say when Dubhe is the server; a Dubhe consumer judges by itself. */
const STATUS = {
  error: /refused by request/,
  "coded-error": /^invalid_argument /,
  "unknown-method": /^unimplemented /,
  deadline: /^deadline_exceeded /,
  cancel: /^cancell?ed /,
};

/** A call that is too slow ends at its deadline: not before, and not when the server is done, ten seconds or four later. */
const isInTime = ({ role, against }, ms) => {
  const limit = role === "provider" && against === undefined ? 300 : 3_000;
  return ms > limit - 10 && ms < limit + 900;
};

/** Runs it as a step of the trial. */
export async function runConfiguration(config, trial, registry) {
  const port = await freePort();
  const provider = () => startProviderOf(config, trial, registry, port);
  const calls = { calls: CALLS.join(","), wait: WAIT_MS };
  let consumer;
  let server;
  if (config.first === "provider") {
    server = await provider();
    consumer = await startConsumerOf(config, trial, registry, port, calls);
  } else {
    consumer = await startConsumerOf(config, trial, registry, port, calls);
    await consumer.waitFor(/^WAITING/m, 60_000);
    server = await provider();
  }
  const lines = await linesOf(consumer, CALLS);
  const answered = new RegExp(`^${signature(config, port)}$`);
  checkGreetings(lines, { name: "matrix", peer: answered });
  for (const line of lines) {
    for (const { peer } of line.results ?? []) assert.match(peer, answered, `${line.call} was answered by ${peer}`);
    const wanted = config.role === "consumer" && config.against === undefined && STATUS[line.call];
    if (wanted) assert.match(`${line.code} ${line.error}`, wanted, line.call);
    if (line.call === "deadline") assert.ok(isInTime(config, line.ms), `the deadline took ${line.ms} ms`);
  }
  server.kill("SIGTERM");
  await server.wait(20_000);
  return { count: lines.length };
}
