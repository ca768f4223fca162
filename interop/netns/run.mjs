// Peers that vanish: `node interop/netns/run.mjs`. A server in a network namespace, clients outside, all with default
// options; the cable between them is pulled while connections are idle, calls run, a stream is open and silent, and both
// sides write all they can. Needs root on Linux; takes about a minute.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { createRuntime } from "@dubhe/concurrency";
import { Code, createDirectChannel, createRpcEnvironment, createServiceClient, Pool, RpcServer } from "@dubhe/rpc";
import { EchoService, echoHandlers } from "@dubhe/testing";
import { makeNetwork } from "./network.mjs";

/** What docs/connections.md promises, and the tolerance of a busy machine. */
const CLIENT_NOTICES_MS = 20_000;
const SERVER_NOTICES_MS = 40_000;
const IDLE_NOTICED_MS = 25_000;
const RECOVERS_MS = 8_000;
const SLACK_MS = 3_000;

let passed = 0;
const failures = [];
function check(what, good, detail = "") {
  if (good) passed++;
  else failures.push(what);
  console.log(`${good ? "ok  " : "FAIL"} ${what}${detail === "" ? "" : `: ${detail}`}`);
}
const inTime = (what, ms, bound, detail = "") =>
  check(what, ms <= bound + SLACK_MS, `${(ms / 1000).toFixed(1)} s of ${bound / 1000} s${detail && `, ${detail}`}`);
/** `promise`, or undefined after `ms`. */
const within = (promise, ms) => Promise.race([promise, sleep(ms, undefined, { ref: false })]);

process.on("unhandledRejection", (error) => check("no unhandled rejection", false, String(error)));

const env = createRpcEnvironment(createRuntime());
const pools = [];
/** A client with a pool, and so a connection, of its own. */
function connect(host, port, pool = new Pool(env.runtime)) {
  pools.push(pool);
  const channel = createDirectChannel(pool, { host, port });
  return { pool, client: createServiceClient(env, EchoService, channel, {}) };
}

/** The server in the namespace and what it says. */
async function startServer({ namespace, address }) {
  const file = new URL("server.mjs", import.meta.url).pathname;
  const child = spawn("ip", ["netns", "exec", namespace, process.execPath, file, address], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const events = [];
  const waiting = new Set();
  createInterface(child.stdout).on("line", (line) => {
    events.push(JSON.parse(line));
    for (const look of [...waiting]) look();
  });
  /** The first event, also of the past, that `wanted` accepts. */
  const event = (wanted) =>
    new Promise((resolve) => {
      const look = () => {
        const found = events.find(wanted);
        if (found === undefined) return;
        waiting.delete(look);
        resolve(found);
      };
      waiting.add(look);
      look();
    });
  const died = once(child, "exit").then(([code]) => {
    throw new Error(`the server ended with code ${code}`);
  });
  died.catch(() => undefined); // later it is we who end it
  const { port } = await Promise.race([event(({ event }) => event === "listening"), died]);
  return { child, port, event };
}

const network = await makeNetwork().catch((error) => {
  console.error(`netns: cannot make the network: ${error.message}`);
  console.log("0 passed, 1 failed");
  process.exit(1);
});
let server;
let neighbour;
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => {
    server?.child.kill("SIGKILL");
    void network.close().finally(() => process.exit(1)); // never rejects
  });
}
try {
  server = await startServer(network);
  const { port } = server;
  neighbour = new RpcServer(env).add(EchoService, echoHandlers());
  const near = await neighbour.listen({ host: "127.0.0.1", port: 0 });

  const idle = connect(network.address, port);
  const calling = connect(network.address, port);
  const streaming = connect(network.address, port);
  const uploading = connect(network.address, port);
  const downloading = connect(network.address, port);
  // In the pool of the calls that will die.
  const other = connect("127.0.0.1", near.port, calling.pool);

  for (const { client } of [idle, calling, streaming, uploading, downloading, other])
    await client.unary({ text: "hello" });
  const long = { timeoutMs: 120_000 };
  const failed = async (name, promise) => {
    const error = await promise.then(
      () => undefined,
      (reason) => reason,
    );
    return { name, error, at: Date.now() };
  };
  async function* endless() {
    for (;;) yield { payload: new Uint8Array(64 * 1024) };
  }
  async function readAll(stream) {
    for await (const _ of stream);
  }
  const calls = [
    failed("a call in flight", calling.client.unary({ text: "hang" }, long)),
    failed("a silent stream", readAll(streaming.client.serverStream({ text: "silent stream" }, long))),
    failed("a stream that is written to", uploading.client.clientStream(endless(), long)),
    failed("a stream that is read from", readAll(downloading.client.serverStream({ text: "download" }, long))),
  ];
  await server.event((line) => line.event === "connections" && line.count === 5);
  await sleep(1_000);

  await network.pull();
  const pulledAt = Date.now();
  console.log("the cable is pulled");

  let otherCalls = 0;
  let otherFailed = 0;
  let pulled = true;
  const others = (async () => {
    while (pulled) {
      await other.client.unary({ text: "other" }).then(
        () => otherCalls++,
        () => otherFailed++,
      );
      await sleep(50);
    }
  })();
  const idleClosed = (async () => {
    while (idle.pool.counters.connectionsOpen > 0) await sleep(50);
    return Date.now();
  })();

  const patience = CLIENT_NOTICES_MS + 20_000;
  for (const call of calls) {
    const ended = await within(call, patience - (Date.now() - pulledAt));
    if (ended === undefined) {
      check("client: a call ends", false, `not within ${patience / 1000} s`);
      continue;
    }
    const { name, error, at } = ended;
    inTime(`client: ${name} ends`, at - pulledAt, CLIENT_NOTICES_MS);
    check(
      `client: ${name} ends UNAVAILABLE and says why`,
      error?.code === Code.Unavailable && /the connection is dead/.test(error.message),
      error?.message,
    );
  }
  const idleAt = await within(idleClosed, IDLE_NOTICED_MS + 20_000 - (Date.now() - pulledAt));
  inTime("client: an idle connection is closed", (idleAt ?? Infinity) - pulledAt, IDLE_NOTICED_MS);

  const askedAt = Date.now();
  const { error } = await failed("a new call", idle.client.unary({ text: "new" }, long));
  inTime("client: a new call to the dead peer fails", Date.now() - askedAt, 3_000, error?.message);
  check(
    "client: it is UNAVAILABLE and provably unprocessed",
    error?.code === Code.Unavailable && error.processed === "no",
  );

  for (const name of ["unary", "silent stream", "upload", "download"]) {
    const left = SERVER_NOTICES_MS + 10_000 - (Date.now() - pulledAt);
    const line = await within(
      server.event((one) => one.event === "signal" && one.name === name),
      left,
    );
    inTime(`server: the signal of ${name} fires`, (line?.at ?? Infinity) - pulledAt, SERVER_NOTICES_MS);
  }
  const gone = await within(
    server.event((line) => line.event === "connections" && line.count === 0),
    SERVER_NOTICES_MS + 10_000 - (Date.now() - pulledAt),
  );
  inTime("server: every connection is closed, the idle one too", (gone?.at ?? Infinity) - pulledAt, SERVER_NOTICES_MS);

  const waiting = calling.client.unary({ text: "patient" }, { ...long, waitForReady: true });
  pulled = false;
  await others;
  check(
    "other endpoints of the same pool went on",
    otherCalls > 100 && otherFailed === 0,
    `${otherCalls} calls, ${otherFailed} failed`,
  );

  await sleep(500);
  await network.plug();
  const pluggedAt = Date.now();
  console.log("the cable is back");
  const answer = await within(waiting, RECOVERS_MS + 10_000);
  check("a call that waited is answered", answer?.text === "patient");
  for (const [name, { client }] of Object.entries({ idle, streaming, uploading, downloading })) {
    const back = await within(client.unary({ text: "back" }, { ...long, waitForReady: true }), RECOVERS_MS + 10_000);
    check(`${name}: served again`, back?.text === "back");
  }
  inTime("all recovered", Date.now() - pluggedAt, RECOVERS_MS);
} catch (error) {
  check("the run itself", false, error.stack);
} finally {
  for (const pool of new Set(pools)) await pool.close(0);
  await neighbour?.close({ graceMs: 0 });
  if (server !== undefined) {
    server.child.kill("SIGKILL");
    await once(server.child, "exit");
  }
  await network.close();
}
for (const what of failures) console.log(`failed: ${what}`);
console.log(`${passed} passed, ${failures.length} failed`);
process.exit(failures.length === 0 ? 0 : 1);
