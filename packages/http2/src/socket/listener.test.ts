import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect as connectTcp, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createRuntime } from "@dubhe/concurrency";
import { leakCheck, testRuntime } from "@dubhe/testing";
import { type Connection, type ConnectionSink, HeaderTemplate } from "../types.js";
import { type ConnectTarget, connect } from "./connect.js";
import { createListener } from "./listener.js";
import type { Listener, ListenerOptions } from "./listener-types.js";

const runtime = createRuntime();
const REQUEST = new HeaderTemplate([":method", "POST", ":scheme", "http", ":path", "/", ":authority", "test"]);
const quiet: ConnectionSink = { onReady() {}, onCapacity() {}, onDraining() {}, onClose() {} };
const stream = { onHeaders() {}, onData() {}, onTrailers() {}, onWritable() {}, onClose() {} };
const holding: ConnectionSink = { ...quiet, onStream: () => stream };

function made(t: TestContext, options: ListenerOptions = {}): Listener {
  leakCheck(t);
  const listener = createListener(runtime, options, () => holding);
  t.after(() => listener.destroy());
  return listener;
}

function open(t: TestContext, target: ConnectTarget): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const connection = connect(
      runtime,
      target,
      {},
      {
        ...quiet,
        onReady: resolve,
        onClose: (_connection, error) => reject(error ?? new Error("closed")),
      },
    );
    t.after(() => connection.destroy());
  });
}

/** Tries until there is room. */
async function opened(t: TestContext, target: ConnectTarget): Promise<void> {
  while ((await open(t, target).catch(() => undefined)) === undefined);
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(setImmediate);
}

async function freePort(): Promise<number> {
  const listener = createListener(runtime, {}, () => quiet);
  const { port } = await listener.listen({ host: "127.0.0.1", port: 0 });
  await listener.destroy();
  return port;
}

test("closed while it was about to listen: the port stays closed", async (t) => {
  const port = await freePort();
  const listener = made(t);
  // A name is looked up first.
  const listening = assert.rejects(listener.listen({ host: "localhost", port }), /listener is closed/);
  await listener.closeListening();
  await listening;
  await assert.rejects(open(t, { host: "127.0.0.1", port }), /ECONNREFUSED/);
  await assert.rejects(listener.listen({ port: 0 }), /listener is closed/);
});

test("closed in the turn in which it bound: listen and closeListening both end", async (t) => {
  for (const address of [{ port: 0 }, { path: join(folder(t), "s") }]) {
    const listener = made(t);
    // No name is looked up: node has bound already, and a server that is closed now never says that it listens.
    const listening = assert.rejects(listener.listen(address), /listener is closed/);
    await listener.closeListening();
    await listening;
    if ("path" in address) assert.equal(existsSync(address.path!), false);
  }
});

test("it listens once, and again only after a failure", async (t) => {
  const listener = made(t);
  await assert.rejects(listener.listen({ host: "192.0.2.1", port: 0 }), { code: "EADDRNOTAVAIL" });
  await listener.listen({ host: "127.0.0.1", port: 0 });
  await assert.rejects(listener.listen({ host: "127.0.0.1", port: 0 }), /listens already/);
});

test("options that make no sense", () => {
  for (const options of [{ maxConnections: 0 }, { maxConnections: 1.5 }, { maxHandshakes: 0 }]) {
    assert.throws(() => createListener(runtime, options, () => quiet), RangeError);
  }
});

test("maxConnections: what is too much is closed, and an end makes room", async (t) => {
  const listener = made(t, { maxConnections: 2 });
  const { port } = await listener.listen({ host: "127.0.0.1", port: 0 });
  const target = { host: "127.0.0.1", port };
  const first = await open(t, target);
  await open(t, target);
  await assert.rejects(open(t, target), /closed the connection before it said anything/);
  assert.equal(listener.counters.refused, 1);
  assert.equal(listener.counters.evicted, 0);
  first.destroy();
  await until(() => listener.connections.size === 1);
  await open(t, target);
});

test("maxConnections: near it idle connections leave, those with streams stay", async (t) => {
  const listener = made(t, { maxConnections: 16 });
  const { port } = await listener.listen({ host: "127.0.0.1", port: 0 });
  const target = { host: "127.0.0.1", port };
  const clients: Connection[] = [];
  for (let i = 0; i < 15; i++) {
    const connection = await open(t, target);
    clients.push(connection);
    if (i < 3) connection.open(REQUEST, undefined, false, stream);
  }
  await until(() => [...listener.connections].filter((connection) => connection.activeStreams > 0).length === 3);
  await open(t, target);
  await until(() => clients[3]!.state === "closed");
  assert.equal(listener.counters.evicted, 1);
  assert.equal(listener.counters.refused, 0);
  assert.deepEqual(
    clients.map((client) => client.state === "open"),
    clients.map((_client, index) => index !== 3),
  );
});

test("maxHandshakes bounds those who wait to be understood", async (t) => {
  leakCheck(t);
  // In virtual time: whether the newcomer has to go depends on how long the others have been there.
  const listener = createListener(
    testRuntime().runtime,
    { maxHandshakes: 2, onHttp1: (socket) => socket.destroy() },
    () => holding,
  );
  t.after(() => listener.destroy());
  const { port } = await listener.listen({ host: "127.0.0.1", port: 0 });
  const sockets: Socket[] = [];
  t.after(() => sockets.forEach((socket) => socket.destroy()));
  for (let i = 0; i < 3; i++) {
    const socket = connectTcp(port, "127.0.0.1");
    sockets.push(socket);
    await once(socket, "connect");
  }
  sockets[2]!.resume();
  await once(sockets[2]!, "close");
  assert.equal(listener.counters.arrivalsDropped, 1);
  sockets[0]!.destroy();
  await opened(t, { host: "127.0.0.1", port });
});

test("reusePort", async (t) => {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const listener = made(t);
  if (major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12)) {
    const { port } = await listener.listen({ host: "127.0.0.1", port: 0, reusePort: true });
    await made(t).listen({ host: "127.0.0.1", port, reusePort: true });
  } else {
    await assert.rejects(listener.listen({ port: 0, reusePort: true }), /needs Node 22\.12 .*this is .*node:cluster/);
  }
});

// ---- Unix sockets

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "http2-"));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

test("Unix socket: the file goes with the end of listening, and has the mode that was asked for", async (t) => {
  const listener = made(t);
  const path = join(folder(t), "s");
  assert.deepEqual(await listener.listen({ path, mode: 0o622 }), { host: path, port: 0 });
  assert.equal(statSync(path).mode & 0o777, 0o622);
  const connection = await open(t, { path });
  assert.equal(connection.remoteAddress, undefined);
  await listener.closeListening();
  assert.equal(existsSync(path), false);
  assert.equal(connection.state, "open");
});

test("Unix socket: a file that a killed process left is replaced", async (t) => {
  const path = join(folder(t), "s");
  const script = `require("node:net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
  await once(spawn(process.execPath, ["-e", script]), "exit");
  assert.equal(existsSync(path), true);
  const listener = made(t);
  await listener.listen({ path });
  await open(t, { path });
});

test("Unix socket: one that answers, and a file that is no socket, are left alone", async (t) => {
  const path = join(folder(t), "s");
  const other = createServer((socket) => socket.destroy());
  other.listen(path);
  await once(other, "listening");
  const listener = made(t);
  await assert.rejects(listener.listen({ path }), { code: "EADDRINUSE", message: /another process listens there/ });
  other.close();
  await once(other, "close");
  writeFileSync(path, "precious");
  await assert.rejects(listener.listen({ path }), { code: "EADDRINUSE", message: /exists and is no socket/ });
  rmSync(path);
  await listener.listen({ path });
});

test("Unix socket: no folder, and a path that the kernel has no room for", async (t) => {
  const missing = { path: join(folder(t), "none", "s") };
  await assert.rejects(made(t).listen(missing), { code: "EACCES", message: /none\/s: its folder does not exist, or/ });
  const long = { path: join(folder(t), "x".repeat(100)) };
  await assert.rejects(made(t).listen(long), { code: "ENAMETOOLONG", message: /at most 10[37] bytes/ });
});

// ---- without file descriptors

test("out of file descriptors: new connections end, the listener lives on", async (t) => {
  leakCheck(t);
  const script = `
    import { createListener } from ${JSON.stringify(new URL("./listener.js", import.meta.url).href)};
    import { createRuntime } from "@dubhe/concurrency";
    const quiet = { onReady() {}, onCapacity() {}, onDraining() {}, onClose() {} };
    const listener = createListener(createRuntime(), {}, () => quiet);
    const { port } = await listener.listen({ host: "127.0.0.1", port: 0 });
    console.log(port);
  `;
  const node = `exec "${process.execPath}" --input-type=module -e '${script.replaceAll("'", `'"'"'`)}'`;
  const child = spawn("sh", ["-c", `ulimit -n 64; ${node}`], {
    stdio: ["ignore", "pipe", "inherit"],
    cwd: import.meta.dirname,
  });
  t.after(async () => {
    child.kill("SIGKILL");
    await once(child, "exit");
  });
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  const port = Number(line);
  const target = { host: "127.0.0.1", port };
  const attempts = await Promise.allSettled(Array.from({ length: 80 }, () => open(t, target)));
  const connections = attempts.filter((attempt) => attempt.status === "fulfilled").map((attempt) => attempt.value);
  assert.ok(connections.length > 10 && connections.length < 70, `${connections.length}`);
  for (const connection of connections) connection.destroy();
  await opened(t, target);
});
