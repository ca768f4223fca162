import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";

const SERVER = fileURLToPath(new URL("../server-process.mjs", import.meta.url));
const CLIENT = fileURLToPath(new URL("../client-process.mjs", import.meta.url));
const START_MS = 20_000;
/** Beyond what the budget of a cell allows: connecting, draining, a slow machine. */
const GRACE_MS = 45_000;

/**
 * Two CPUs this process may use, or undefined where processes cannot be pinned: other systems than Linux, no taskset, one
 * CPU.
 */
export function choosePinning() {
  if (process.platform !== "linux") return undefined;
  const allowed = /^Cpus_allowed_list:\s*(.+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "";
  const cpus = allowed.split(",").flatMap((range) => {
    const [first, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
  if (cpus.length < 2 || spawnSync("taskset", ["-c", String(cpus[0]), "true"]).status !== 0) return undefined;
  return { client: cpus[0], server: cpus[1] };
}

/** A child process, and its IPC messages by kind. */
class Child {
  #process;
  #queues = new Map();
  #waiting = new Map();
  #gone;

  constructor(args, cpu) {
    const node = [process.execPath, ...args];
    const [command, ...rest] = cpu === undefined ? node : ["taskset", "-c", String(cpu), ...node];
    this.#process = spawn(command, rest, { stdio: ["ignore", "ignore", "inherit", "ipc"], serialization: "advanced" });
    this.#process.on("message", (message) => this.#deliver(message));
    this.#process.on("error", (error) => this.#fail(error));
    this.#process.on("exit", (code, signal) => this.#fail(new Error(`${args.slice(0, 3)}: exit ${signal ?? code}`)));
  }

  /** The next message of this kind. Rejects when the process ends or `ms` have passed. */
  next(kind, ms) {
    const queued = this.#queues.get(kind)?.shift();
    if (queued !== undefined) return Promise.resolve(queued);
    if (this.#gone !== undefined) return Promise.reject(this.#gone);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no "${kind}" within ${ms} ms`)), ms);
      this.#waiting.set(kind, { resolve, reject, timer });
    });
  }

  send(message) {
    this.#process.send(message);
  }

  async stop() {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#process.kill("SIGKILL");
    await exited;
  }

  #deliver(message) {
    const waiting = this.#waiting.get(message.kind);
    if (waiting === undefined) {
      const queue = this.#queues.get(message.kind) ?? [];
      queue.push(message);
      this.#queues.set(message.kind, queue);
      return;
    }
    this.#waiting.delete(message.kind);
    clearTimeout(waiting.timer);
    waiting.resolve(message);
  }

  #fail(error) {
    this.#gone ??= error;
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(error);
    }
    this.#waiting.clear();
  }
}

/**
 * One cell: a scenario with a subject, both processes fresh.
 *
 * @param {string} subject
 * @param {import("../scenarios.mjs").Scenario} scenario
 * @param {{ warmCpuMs: number, warmWallMs: number, cpuMs: number, wallMs: number }} budget
 * @param {{ client: number, server: number } | undefined} pinning
 */
export async function runCell(subject, scenario, budget, pinning) {
  const registry = scenario.registry && subject === "dubhe" ? `embedded://127.0.0.1:${await freePort()}` : undefined;
  const server = new Child([SERVER, subject, JSON.stringify({ registry })], pinning?.server);
  let client;
  try {
    const { port } = await server.next("listening", START_MS);
    const usage = async () => {
      server.send("usage");
      return await server.next("usage", START_MS);
    };
    const target = JSON.stringify({ port, registry });
    client = new Child([CLIENT, subject, scenario.name, target, JSON.stringify(budget)], pinning?.client);
    await client.next("edge", budget.warmWallMs + GRACE_MS);
    const before = await usage();
    await client.next("edge", budget.wallMs + GRACE_MS);
    const after = await usage();
    const { result } = await client.next("result", GRACE_MS);
    if (result.calls === 0) throw new Error(result.firstError ?? "no call finished");
    const { connections } = await usage();
    const serverMicros = (after.cpuMicros - before.cpuMicros) / result.calls;
    return { ...result, serverMicros, cpuMicros: result.clientMicros + serverMicros, connections };
  } finally {
    await client?.stop();
    await server.stop();
  }
}

async function freePort() {
  const probe = createServer();
  await new Promise((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return port;
}
