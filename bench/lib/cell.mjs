import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { FIRE_MESSAGES } from "../scenarios.mjs";
import { subjectNamed } from "../subjects/subject.mjs";
import { Child } from "./child.mjs";
import { GRPC_GO } from "./tools.mjs";

const SERVER = fileURLToPath(new URL("../server-process.mjs", import.meta.url));
const CLIENT = fileURLToPath(new URL("../client-process.mjs", import.meta.url));
const START_MS = 20_000;
/** Beyond what the budget of a cell allows: connecting, draining, a slow machine. */
const GRACE_MS = 60_000;
const MAX_STREAMS = 20_000;

/**
 * What the cells of a run have in common.
 *
 * @typedef {object} Context
 * @property {ReturnType<typeof import("./machine.mjs").choosePinning>} pinning
 * @property {{ key: string, cert: string }} tls
 * @property {string | undefined} profiles  the folder for CPU profiles of Node's processes
 * @property {boolean} quick
 * @property {object} budget  of a cell that is held to the bars
 * @property {object} shortBudget
 * @property {readonly string[]} subjects  that are measured
 * @property {(section: string) => Map<string, object[]>} resultsOf  so far, by subject
 */

/** `dubhe>grpc-go` is Dubhe's client and grpc-go's server; `dubhe` both of Dubhe's. */
export function sidesOf(pair) {
  const [client, server = client] = pair.split(">");
  return { client: subjectNamed(client), server: subjectNamed(server) };
}

/** @param {string} text  JSON */
function commandOf(subject, task, text, flags = []) {
  if (subject.runtime === "go") return [GRPC_GO, task, text];
  const script = task === "serve" ? [SERVER, subject.name] : [CLIENT, subject.name, task];
  // Many connections are many clients here, on purpose; Dubhe would warn of them.
  return [process.execPath, "--disable-warning=DUBHE_MANY_LIVE", ...flags, ...script, text];
}

export async function startServer(subject, options, context, flags) {
  const text = JSON.stringify({ maxStreams: MAX_STREAMS, ...options });
  const child = new Child(`${subject.name} server`, commandOf(subject, "serve", text, flags), context.pinning?.server);
  try {
    return { child, port: (await child.next("listening", START_MS)).port };
  } catch (error) {
    await child.stop();
    throw error;
  }
}

/**
 * One cell: a load on a pair, both processes fresh.
 *
 * @param {string} pair
 * @param {Partial<import("./load.mjs").Job> & { budget: object }} load  and `payload`, `deadlineMs`, `tls`, `registry`
 * @param {Context} context
 */
export async function runCell(pair, load, context) {
  const sides = sidesOf(pair);
  const { payload = 64, deadlineMs = 3_000, tls = false, registry: registered = false, ...rest } = load;
  const registry = registered && pair === "dubhe" ? `embedded://127.0.0.1:${await freePort()}` : undefined;
  const secret = tls ? context.tls : undefined;
  const server = await startServer(sides.server, { registry, tls: secret }, context);
  let client;
  try {
    const target = { port: server.port, registry, tls: secret && { cert: secret.cert }, payload, deadlineMs };
    const job = {
      run: "unary",
      concurrency: 64,
      connections: 1,
      streams: 0,
      messages: FIRE_MESSAGES,
      rate: 0,
      ...rest,
      target,
    };
    job.warmConcurrency ??= job.concurrency;
    delete job.label;
    const command = commandOf(sides.client, "load", JSON.stringify(job));
    client = new Child(`${sides.client.name} client`, command, context.pinning?.client);
    const profile = profiler(context, load.label ?? pair, sides, client, server.child);
    await client.next("begin", START_MS + job.budget.warmWallMs + GRACE_MS);
    const before = await server.child.ask("usage", START_MS);
    await profile();
    await client.next("end", job.budget.wallMs + GRACE_MS);
    const after = await server.child.ask("usage", START_MS);
    await profile();
    const { result } = await client.next("result", GRACE_MS);
    if (result.calls === 0) throw new Error(result.firstError ?? "no call finished");
    const serverMicros = (after.cpuMicros - before.cpuMicros) / result.calls;
    const cpuMicros = result.clientMicros + serverMicros;
    if (sides.server.runtime === "go") return { ...result, serverMicros, cpuMicros };
    const connections = await server.child.ask("connections", START_MS);
    return { ...result, serverMicros, cpuMicros, connections };
  } finally {
    await client?.stop();
    await server.child.stop();
  }
}

/** Called at both edges of the window. Profiling costs CPU time: such a run is not for its figures. */
function profiler(context, label, sides, client, server) {
  if (context.profiles === undefined) return async () => {};
  mkdirSync(context.profiles, { recursive: true });
  const name = label.replaceAll(/[^\w.-]+/g, "-");
  const processes = [
    { side: "client", subject: sides.client, child: client },
    { side: "server", subject: sides.server, child: server },
  ].filter(({ subject }) => subject.runtime === "node");
  return async () => {
    await Promise.all(
      processes.map(({ side, child }) =>
        child.ask(`profile ${join(context.profiles, `${name}-${side}.cpuprofile`)}`, GRACE_MS),
      ),
    );
  };
}

/** The client that holds connections, streams and calls open; see occupy.mjs. */
export async function startOccupier(subject, port, context) {
  const target = JSON.stringify({ port, payload: 64, deadlineMs: 60_000 });
  const child = new Child(
    `${subject.name} client`,
    commandOf(subject, "occupy", target, ["--expose-gc"]),
    context.pinning?.client,
  );
  try {
    await child.next("ready", GRACE_MS);
    return child;
  } catch (error) {
    await child.stop();
    throw error;
  }
}

/** Whether files may be opened for so many connections (of two sockets each, in two processes). */
export function mayOpen(connections) {
  const { stdout } = spawnSync("sh", ["-c", "ulimit -n"], { encoding: "utf8" });
  const limit = stdout.trim() === "unlimited" ? Number.POSITIVE_INFINITY : Number(stdout);
  return connections + 100 < limit;
}

export async function freePort() {
  const probe = createServer();
  await new Promise((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return port;
}
