// Well-behaved clients, in a process of their own: several connections, unary calls and bidi streams, a closed loop with a
// think time. With --hostile-port it is itself the victim: it also calls a server that attacks it.
// node --expose-gc clients.mjs --port N [--tls-ca F] [--think ms] [--hostile-port N]   Prints "READY" once every connection answered.
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { createClient } from "dubhe";
import { MemoryProbe, obey } from "./commands.mjs";
import { EchoService } from "./echo.mjs";

const CONNECTIONS = 4;
const UNARY_LOOPS = 3;
const MESSAGES_PER_STREAM = 25;

const { values: flags } = parseArgs({
  options: {
    port: { type: "string" },
    "tls-ca": { type: "string" },
    think: { type: "string", default: "8" },
    "hostile-port": { type: "string" },
  },
});
const think = Number(flags.think);
const tls = flags["tls-ca"] && { ca: readFileSync(flags["tls-ca"]) };
const target = `${tls ? "https" : "tri"}://127.0.0.1:${flags.port}`;
/** Far beyond any stall that would pass: a call that waits so long counts as an error. */
const options = { timeoutMs: 5_000, ...(tls && { tls }) };
const request = { text: "well-behaved", payload: new Uint8Array(100).fill(7) };

let done = 0;
let worst = 0;
let stopping = false;
const errors = [];
const running = [];
const clients = Array.from({ length: CONNECTIONS }, () => createClient(EchoService, target, options));
const pause = () => sleep(think * (0.5 + Math.random()));

function answered(began, reply) {
  done++;
  worst = Math.max(worst, performance.now() - began);
  if (reply.payload.length !== request.payload.length) throw new Error(`${reply.payload.length} bytes came back`);
}

async function unaryLoop(client) {
  while (!stopping) {
    const began = performance.now();
    answered(began, await client.unary(request));
    await pause();
  }
}

async function bidiLoop(client) {
  while (!stopping) {
    let began = 0;
    async function* requests() {
      for (let i = 0; i < MESSAGES_PER_STREAM && !stopping; i++) {
        if (i > 0) await pause();
        began = performance.now();
        yield request;
      }
    }
    for await (const reply of client.bidi(requests())) answered(began, reply);
  }
}

/** Goes on after an error, which is what the window reports. */
async function keepOn(loop, client) {
  while (!stopping) {
    try {
      await loop(client);
    } catch (error) {
      errors.push(String(error?.message ?? error));
      await sleep(50);
    }
  }
}

// ---- a server that attacks: what its calls came to

const hostile = { ok: 0, errors: {} };
if (flags["hostile-port"] !== undefined) {
  const victim = createClient(EchoService, `tri://127.0.0.1:${flags["hostile-port"]}`, { timeoutMs: 1_500 });
  const attempt = async (call) => {
    while (!stopping) {
      try {
        await call();
        hostile.ok++;
      } catch (error) {
        const text = String(error?.message ?? error)
          .replace(/\d+ ms\b/g, "N ms")
          .replace(/:\d{4,5}\b/g, ":PORT");
        hostile.errors[text] = (hostile.errors[text] ?? 0) + 1;
      }
      await sleep(20);
    }
  };
  const drain = async () => {
    for await (const _ of victim.serverStream({ ...request, count: 3 })) if (stopping) return;
  };
  running.push(
    attempt(() => victim.unary(request)),
    attempt(drain),
  );
}

const probe = new MemoryProbe();
obey({
  /** Calls and messages answered within the window, the longest of them, and the errors since the last window. */
  async window({ ms }) {
    const before = done;
    worst = 0;
    await sleep(ms);
    return { done: done - before, worstMs: worst, errors: errors.splice(0) };
  },
  async stop() {
    stopping = true;
    await Promise.all(running);
    await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
    return { errors: errors.splice(0) };
  },
  hostile: () => hostile,
  memory: (args) => probe.read(args),
  reset: () => probe.reset(),
});

await Promise.all(clients.map((client) => client.unary(request)));
for (const client of clients) {
  for (let i = 0; i < UNARY_LOOPS; i++) running.push(keepOn(unaryLoop, client));
  running.push(keepOn(bidiLoop, client));
}
console.log("READY");
