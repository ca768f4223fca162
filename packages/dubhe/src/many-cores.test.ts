import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { Worker } from "node:worker_threads";
import { EchoService, leakCheck, TestAuthority } from "@dubhe/testing";
import { createClient } from "./create-client.js";
import { createServer } from "./create-server.js";

/*
 * Several processes and threads that serve: on one port through node:cluster and through SO_REUSEPORT, and each thread on
 * its own.
 */

const imports = `
  import { createApp, createServer, createClient } from ${JSON.stringify(new URL("./index.js", import.meta.url).href)};
  import { createRuntime } from ${JSON.stringify(import.meta.resolve("@dubhe/concurrency"))};
  import { MemoryRegistryServer, memoryRegistry } from ${JSON.stringify(import.meta.resolve("@dubhe/discovery"))};
  import { EchoService } from ${JSON.stringify(import.meta.resolve("@dubhe/testing"))};
`;

/** A module that says who it is: `who`. */
function program(t: TestContext, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), "cores-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "main.mjs");
  writeFileSync(file, `${imports}${text}`);
  return file;
}

function serve(options: string): string {
  return `
    const server = createServer(${options});
    server.add(EchoService, { unary: () => ({ text: String(process.pid) }) });
    await server.start();
  `;
}

/** Ends with the test. */
function start(t: TestContext, file: string): { child: ChildProcess; line: () => Promise<string> } {
  const child = spawn(process.execPath, [file], { stdio: ["ignore", "pipe", "inherit", "ipc"] });
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  t.after(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  });
  return { child, line: async () => (await lines.next()).value as string };
}

/** A connection of its own for each call. */
async function whoAnswers(url: string, ca: string): Promise<string> {
  await using client = createClient(EchoService, url, url.startsWith("https:") ? { tls: { ca } } : {});
  return (await client.unary({})).text;
}

for (const secure of [false, true]) {
  test(`two workers of a node:cluster on one port, ${secure ? "TLS" : "clear text"}`, async (t) => {
    leakCheck(t);
    const authority = new TestAuthority();
    const tls = secure ? JSON.stringify(authority.issue({ name: "server" })) : undefined;
    const file = program(
      t,
      `
        import cluster from "node:cluster";
        if (cluster.isPrimary) {
          const workers = [cluster.fork(), cluster.fork()];
          for (const worker of workers) worker.on("message", (line) => console.log(line));
          process.on("message", () => workers[0].send("close"));
        } else {
          ${serve(`{ listen: "127.0.0.1:0", tls: ${tls} }`)}
          process.send(server.address.split(":")[1] + " " + process.pid);
          process.on("message", async () => {
            await server.close();
            cluster.worker.disconnect();
          });
        }
      `,
    );
    const { child, line } = start(t, file);
    const [first, second] = [(await line()).split(" "), (await line()).split(" ")];
    assert.equal(first![0], second![0], "one port");
    const url = `${secure ? "https" : "tri"}://localhost:${first![0]}`;
    const pids = new Set([first![1]!, second![1]!]);
    const seen = new Set<string>();
    for (let calls = 0; calls < 100 && seen.size < 2; calls++) seen.add(await whoAnswers(url, authority.cert));
    assert.deepEqual(seen, pids);
    // One of them leaves: the other serves on, with no call lost.
    child.send("close");
    let last = "";
    for (let same = 0; same < 10; ) {
      const now = await whoAnswers(url, authority.cert);
      same = now === last ? same + 1 : 0;
      last = now;
    }
    assert.ok(pids.has(last));
  });
}

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
const hasReusePort = major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12);

test("two processes on one port by SO_REUSEPORT, where Node has it", async (t) => {
  leakCheck(t);
  if (!hasReusePort) {
    const server = createServer({ listen: "127.0.0.1:0", reusePort: true });
    return assert.rejects(
      server.start(),
      /cannot listen on 127\.0\.0\.1:0: reusePort needs Node 22\.12 .*node:cluster/,
    );
  }
  const first = start(
    t,
    program(t, `${serve(`{ listen: "127.0.0.1:0", reusePort: true }`)} console.log(server.address)`),
  );
  const address = await first.line();
  const second = start(
    t,
    program(t, `${serve(`{ listen: "${address}", reusePort: true }`)} console.log(server.address)`),
  );
  assert.equal(await second.line(), address);
  const pids = new Set([String(first.child.pid), String(second.child.pid)]);
  const seen = new Set<string>();
  // The kernel chooses by a hash of the addresses.
  for (let calls = 0; calls < 200 && seen.size < 2; calls++) seen.add(await whoAnswers(`tri://${address}`, ""));
  assert.deepEqual(seen, pids);
});

test("worker threads, each with an App, a server and clients; each ends by itself", async (t) => {
  leakCheck(t);
  const file = program(
    t,
    `
      import { parentPort, threadId } from "node:worker_threads";
      const app = createApp({ name: "shop", registry: memoryRegistry(createRuntime(), new MemoryRegistryServer("t" + threadId)) });
      const server = app.createServer({ listen: "127.0.0.1:0" });
      server.add(EchoService, { unary: () => ({ text: "thread " + threadId }) });
      await server.start();
      const { text } = await app.client(EchoService).unary({});
      parentPort.postMessage({ text, address: server.address });
      parentPort.once("message", () => app.close());
    `,
  );
  const workers = [new Worker(file), new Worker(file)];
  const answers = await Promise.all(
    workers.map(async (worker) => (await once(worker, "message"))[0] as { text: string; address: string }),
  );
  for (const [index, { text, address }] of answers.entries()) {
    assert.equal(text, `thread ${workers[index]!.threadId}`);
    assert.equal(await whoAnswers(`tri://${address}`, ""), text);
  }
  const ended = workers.map(async (worker) => (await once(worker, "exit"))[0] as number);
  for (const worker of workers) worker.postMessage("close");
  assert.deepEqual(await Promise.all(ended), [0, 0]);
});
