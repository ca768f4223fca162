import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Server, Socket } from "node:net";
import type { TestContext } from "node:test";
import { systemClock } from "@dubhe/concurrency";

export interface LeakCheckOptions {
  /** How long what is being closed may take to be gone, in milliseconds. Default 1000. */
  readonly settleMs?: number;
}

/** Resources that come and go by themselves (a turn, a file read, a DNS look-up, the pipes to the test runner). */
const IGNORED = new Set([
  "Immediate",
  "FSReqCallback",
  "FSReqPromise",
  "PipeWrap",
  "TTYWrap",
  "WriteWrap",
  "ShutdownWrap",
]);

/**
 * What a test leaves behind: `leakCheck(t)` as its first line fails it if, after all its other hooks and within a second (`settleMs`),
 * there are more active resources (servers, timers that keep the process alive, workers, …) or process listeners than before,
 * or a socket that was made meanwhile is still open, even an unref'd one.
 *
 * It counts for the whole process: tests that use it must not run concurrently with others in their file.
 */
export function leakCheck(t: TestContext, options: LeakCheckOptions = {}): void {
  const watch = new LeakWatch(options);
  // Hooks run in the order in which they were added; the one added by a hook comes after all of the test's own.
  t.after(() => t.after(() => watch.assertNothingLeft()));
}

/** As `leakCheck`, around a test function: `test("…", withLeakCheck(async (t) => { … }))`. */
export function withLeakCheck(
  fn: (t: TestContext) => void | Promise<void>,
  options: LeakCheckOptions = {},
): (t: TestContext) => Promise<void> {
  return async (t) => {
    const watch = new LeakWatch(options);
    let failed = true;
    try {
      await fn(t);
      failed = false;
    } finally {
      // A failed test has left things open for that very reason: its own error is the one to show.
      if (failed) watch.stop();
      else t.after(() => watch.assertNothingLeft());
    }
  };
}

class LeakWatch {
  readonly #resources = activeResources();
  readonly #listeners = processListeners();
  readonly #sockets = new Set<Socket>();
  readonly #onSocket = (message: unknown): void => {
    this.#sockets.add((message as { readonly socket: Socket }).socket);
  };

  readonly #settleMs: number;

  constructor(options: LeakCheckOptions) {
    this.#settleMs = options.settleMs ?? 1000;
    subscribe("net.client.socket", this.#onSocket);
    subscribe("net.server.socket", this.#onSocket);
  }

  stop(): void {
    unsubscribe("net.client.socket", this.#onSocket);
    unsubscribe("net.server.socket", this.#onSocket);
  }

  async assertNothingLeft(): Promise<void> {
    const deadline = systemClock.now() + this.#settleMs;
    for (let pauseMs = 1; this.#leaks().length > 0 && systemClock.now() < deadline; pauseMs *= 2) await pause(pauseMs);
    this.stop();
    assert.deepEqual(this.#leaks(), [], "the test left these behind");
  }

  #leaks(): string[] {
    const open = [...this.#sockets].filter((socket) => !socket.destroyed).map(describe);
    return [...more(activeResources(), this.#resources), ...more(processListeners(), this.#listeners), ...open];
  }
}

async function pause(ms: number): Promise<void> {
  await new Promise<void>((resolve) => {
    systemClock.setTimeout(resolve, ms, { ref: true });
  });
}

function activeResources(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const type of process.getActiveResourcesInfo()) {
    if (!IGNORED.has(type)) counts.set(`resource ${type}`, (counts.get(`resource ${type}`) ?? 0) + 1);
  }
  return counts;
}

function processListeners(): Map<string, number> {
  return new Map(
    process.eventNames().map((name) => [`process listener ${String(name)}`, process.listenerCount(name as "exit")]),
  );
}

function more(now: ReadonlyMap<string, number>, before: ReadonlyMap<string, number>): string[] {
  const grown = [...now].filter(([name, count]) => count > (before.get(name) ?? 0));
  return grown.map(([name, count]) => `${name}: ${count}, before ${before.get(name) ?? 0}`);
}

function describe(socket: Socket): string {
  const server = (socket as { readonly server?: Server }).server;
  const side = server === undefined || server === null ? "client" : "server";
  return `${side} socket ${socket.localAddress}:${socket.localPort} -> ${socket.remoteAddress}:${socket.remotePort}`;
}
