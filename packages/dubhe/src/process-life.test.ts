import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { test } from "node:test";
import { systemClock } from "@dubhe/concurrency";
import { EchoService, echoHandlers, leakCheck } from "@dubhe/testing";
import { createApp } from "./app.js";
import { createServer as createDubheServer } from "./create-server.js";

/** Runs a program that closes nothing. It sits beside this file, so that it finds the packages. */
function run(program: string): ChildProcess {
  const text = `
    import { createApp, createClient } from ${JSON.stringify(new URL("./index.js", import.meta.url).href)};
    import { EchoService, echoHandlers } from ${JSON.stringify(import.meta.resolve("@dubhe/testing"))};
    ${program}`;
  return spawn(process.execPath, ["--input-type=module", "--eval", text], { stdio: ["ignore", "pipe", "inherit"] });
}

/** What it printed, and whether it ended by itself within `ms`; afterwards it is gone either way. */
async function outcome(
  child: ChildProcess,
  ms: number,
): Promise<{ readonly printed: string; readonly ended: boolean }> {
  let printed = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    printed += chunk.toString();
  });
  let ended = true;
  const limit = systemClock.setTimeout(
    () => {
      ended = false;
      child.kill("SIGKILL");
    },
    ms,
    { ref: true },
  );
  await once(child, "close");
  limit.cancel();
  return { printed, ended };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  server.close();
  await once(server, "close");
  return address.port;
}

test("idle connections of a direct client do not keep the process alive", async (t) => {
  leakCheck(t);
  await using server = createDubheServer({ listen: "127.0.0.1:0" }).add(EchoService, echoHandlers());
  await server.start();
  const child = run(
    `console.log((await createClient(EchoService, "tri://${server.address}").unary({ text: "direct" })).text);`,
  );
  assert.deepEqual(await outcome(child, 10_000), { printed: "direct\n", ended: true });
});

test("a registry session and idle connections of an App that only calls do not keep the process alive", async (t) => {
  leakCheck(t);
  const registry = `embedded://127.0.0.1:${await freePort()}`;
  await using app = createApp({ name: "provider", registry });
  await app.createServer({ listen: "127.0.0.1:0" }).add(EchoService, echoHandlers()).start();
  const child = run(`
    const app = createApp({ name: "consumer", registry: "${registry}" });
    console.log((await app.client(EchoService).unary({ text: "found" }, { timeoutMs: 10_000 })).text);`);
  assert.deepEqual(await outcome(child, 10_000), { printed: "found\n", ended: true });
});

test("nor does the session of the App that hosts the embedded registry", async (t) => {
  leakCheck(t);
  const registry = `embedded://127.0.0.1:${await freePort()}`;
  const child = run(`
    const app = createApp({ name: "consumer", registry: "${registry}" });
    await app.client(EchoService).unary({}, { timeoutMs: 10_000 }).catch((error) => console.log(error.message));`);
  const { printed, ended } = await outcome(child, 10_000);
  assert.match(printed, /no application is mapped/);
  assert.equal(ended, true);
});

test("a started server keeps the process alive until it is closed", async (t) => {
  leakCheck(t);
  const child = run(`
    const app = createApp({ name: "provider", registry: "memory:" });
    const server = app.createServer({ listen: "127.0.0.1:0" }).add(EchoService, echoHandlers());
    await server.start();
    console.log("started");
    setTimeout(() => void app.close().then(() => console.log("closed")), 1000).unref();`);
  assert.deepEqual(await outcome(child, 15_000), { printed: "started\nclosed\n", ended: true });
});
