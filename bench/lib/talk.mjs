// The other end of lib/child.mjs, for processes that are Node.
import { writeFileSync, writeSync } from "node:fs";
import { Session } from "node:inspector/promises";
import { createInterface } from "node:readline";

export function say(kind, fields = {}) {
  writeSync(1, `${JSON.stringify({ kind, ...fields })}\n`);
}

/**
 * Answers every word with what its function returns. "usage", "memory" and "profile FILE" are answered by all.
 *
 * @param {Record<string, (argument: string) => object | Promise<object>>} words
 */
export function answer(words = {}) {
  const known = { usage, memory, profile, ...words };
  const hear = async (line) => {
    const [word, argument = ""] = line.split(" ");
    try {
      say(word, await known[word](argument));
    } catch (error) {
      say("failed", { error: String(error?.stack ?? error) });
    }
  };
  createInterface({ input: process.stdin })
    .on("line", (line) => void hear(line))
    .on("close", () => process.exit());
}

function usage() {
  const { user, system } = process.cpuUsage();
  return { cpuMicros: user + system };
}

/** After a forced GC (--expose-gc), in bytes. Twice: finalizers free more. */
async function memory() {
  for (let i = 0; i < 4; i++) {
    globalThis.gc();
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rss, heap: heapUsed + external };
}

let session;

/** Starts a CPU profile, or, when one runs, ends it into the file. */
async function profile(file) {
  if (session === undefined) {
    session = new Session();
    session.connect();
    await session.post("Profiler.enable");
    await session.post("Profiler.setSamplingInterval", { interval: 200 });
    await session.post("Profiler.start");
    return {};
  }
  const { profile: taken } = await session.post("Profiler.stop");
  writeFileSync(file, JSON.stringify(taken));
  session = undefined;
  return {};
}
