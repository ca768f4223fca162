import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { commands } from "./options.js";
import { closedPort, dubhe, filledRegistry, memoryUrl } from "./test-support/bench.js";

for (const [args, says] of [
  [[], "a command is missing: doctor, explain, ls, watch\ndubhe --help says"],
  [["explian"], 'no command is named "explian". Did you mean "explain"?\ndubhe --help says'],
  [["help", "lss"], 'no command is named "lss". Did you mean "ls"?'],
  [["explain"], "explain needs a service, such as greet.GreetService\ndubhe explain --help says"],
  [["explain", "a.B", "c.D"], 'explain takes one service, not "c.D" as well'],
  [["explain", "a/b/c"], '"a/b/c" is no service; write greet.GreetService, or group/greet.GreetService:1.0.0'],
  [["explain", "g/a.B", "--group", "h"], 'group and version are either in "g/a.B" or in --group and --version'],
  [["explain", "a.B", "--provided-by", "x,,y"], "--provided-by: "],
  [["explain", "a.B", "--regstry", "x"], 'unknown option --regstry. Did you mean "--registry"?'],
  [["explain", "a.B", "--registry"], "Option '-r, --registry <value>' argument missing"],
  [["explain", "a.B", "--timeout", "soon"], '--timeout takes a time such as 500ms or 5s, not "soon"'],
  [["explain", "a.B", "--timeout", "0"], "--timeout takes a time"],
  [["explain", "a.B", "-r", "127.0.0.1:8848"], '"127.0.0.1:8848" is no registry URL; write its kind before it'],
  [["ls", "-r", "zookeper://h"], 'no registry is named "zookeper". Did you mean "zookeeper"?'],
  [["ls", "things"], 'ls takes applications, services, instances, not "things".'],
  [["watch", "instances", "a b"], 'application name "a b" may only have letters'],
  [["doctor", "a.B", "c.D"], 'doctor takes one service, not "c.D" as well'],
  [["ls", "--tls"], "unknown option --tls."],
] as const) {
  test(`dubhe ${args.join(" ")}: exit code 2, and what to write`, async () => {
    const { code, out, err } = await dubhe(args);
    assert.deepEqual([code, out], [2, ""]);
    assert.ok(err.startsWith(`✗ ${says}`), err);
    assert.doesNotMatch(err, /\n +at /);
  });
}

test("help: of everything, of each command, either way", async () => {
  const { code, out } = await dubhe(["--help"]);
  assert.equal(code, 0);
  for (const command of commands) {
    assert.match(out, new RegExp(`^ {2}${command}`, "m"));
    const asked = await dubhe(["help", command]);
    const flagged = await dubhe([command, "--help"]);
    assert.deepEqual(asked, flagged);
    assert.match(asked.out, new RegExp(`^Usage: dubhe ${command}`));
    assert.match(asked.out, /--registry URL/);
    for (const line of asked.out.split("\n")) assert.ok(line.length <= 120, line);
  }
});

test("colours only where they are wanted", async () => {
  const args = ["explain", "a.B", "-r", memoryUrl()];
  const { out } = await dubhe(args, { colours: true });
  assert.ok(out.includes("\u001b[31m✗\u001b[0m"));
  assert.ok(!(await dubhe(args)).out.includes("\u001b"));
});

test("the registry comes from DUBHE_REGISTRY where none is named", async () => {
  const [one, other] = [memoryUrl(), memoryUrl()];
  await using _one = await filledRegistry(one, { application: "shop" });
  await using _other = await filledRegistry(other, { application: "cart" });
  const { out } = await dubhe(["ls"], { env: { DUBHE_REGISTRY: `${one} ${other}` } });
  assert.equal(
    out,
    `APPLICATION  INSTANCES  REVISIONS  REGISTRY
shop         1          1          ${one}
cart         1          1          ${other}`,
  );
});

const main = fileURLToPath(new URL("../bin/dubhe.js", import.meta.url));

test("as a process: watch goes on until Ctrl-C, which is its proper end; explain is cut short by it, and both by SIGTERM", async () => {
  for (const [command, signal, code] of [
    ["watch", "SIGINT", 0],
    ["watch", "SIGTERM", 143],
    ["explain", "SIGINT", 130],
    ["explain", "SIGTERM", 143],
  ] as const) {
    // A registry that accepts connections and says nothing: once there is one, the command waits.
    const silent = createServer((socket) => socket.on("error", () => {}));
    await once(silent.listen(0, "127.0.0.1"), "listening");
    const { port } = silent.address() as AddressInfo;
    const what = command === "watch" ? ["services", "a.B"] : ["a.B"];
    const registry = `nacos://127.0.0.1:1?grpc-port=${port}`;
    const child = spawn(process.execPath, [main, command, ...what, "-r", registry, "--timeout", "60s"]);
    const end = once(child, "exit");
    await once(silent, "connection");
    child.kill(signal);
    assert.deepEqual(await end, [code, null], `${command} ${signal}`);
    silent.close();
  }
});

test("as a process: exit code, streams, no colours in a pipe", async () => {
  const run = (args: readonly string[]) =>
    new Promise<{ code: unknown; out: string; err: string }>((resolve) => {
      execFile(process.execPath, [main, ...args], (error, out, err) => resolve({ code: error?.code ?? 0, out, err }));
    });
  const explained = await run(["explain", "a.B", "-r", "memory:process"]);
  assert.equal(explained.code, 1);
  assert.match(explained.out, /✗ a\.B over tri cannot be called\. First wrong: mapping\n/);
  assert.equal(explained.err, "");
  const wrong = await run(["explain"]);
  assert.deepEqual([wrong.code, wrong.out], [2, ""]);
});

test("as a process: a reader that has gone changes no exit code, whichever stream it read", async () => {
  for (const [args, code] of [
    [["ls", "nonsense"], 2],
    [["ls", "instances", "a", "-r", "memory:unread"], 0],
  ] as const) {
    const child = spawn(process.execPath, [main, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    const end = once(child, "exit");
    child.stdout.destroy();
    child.stderr.destroy();
    assert.deepEqual(await end, [code, null], args.join(" "));
  }
});

test("as a process: a reader that goes ends a command that still has something to say, without a word", async () => {
  const url = `embedded://127.0.0.1:${await closedPort()}`;
  for (const [args, code] of [
    [["watch", "--json"], 0],
    [["doctor", "a.B"], 141],
  ] as const) {
    const child = spawn(process.execPath, [main, ...args, "-r", url], { stdio: ["ignore", "pipe", "pipe"] });
    const end = once(child, "close");
    child.stdout.destroy();
    let err = "";
    child.stderr.on("data", (data) => {
      err += String(data);
    });
    assert.deepEqual([await end, err], [[code, null], ""], args.join(" "));
  }
});

test("as a process: a result that cannot be written", async () => {
  for (const args of [["--help"], ["doctor", "-r", "memory:unwritable"]]) {
    // Open for reading alone.
    const out = await open(main);
    const child = spawn(process.execPath, [main, ...args], { stdio: ["ignore", out.fd, "pipe"] });
    let err = "";
    child.stderr?.on("data", (data) => {
      err += String(data);
    });
    assert.deepEqual(await once(child, "close"), [1, null]);
    assert.match(err, /^✗ the result cannot be written: EBADF[^\n]*\n$/);
    await out.close();
  }
});

test("as a process: before the build it says what is missing", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "dubhe-cli-"));
  t.after(() => rm(folder, { recursive: true }));
  await mkdir(join(folder, "bin"));
  await writeFile(join(folder, "package.json"), JSON.stringify({ type: "module" }));
  await copyFile(main, join(folder, "bin", "dubhe.js"));
  const { code, err } = await new Promise<{ code: unknown; err: string }>((resolve) => {
    execFile(process.execPath, [join(folder, "bin", "dubhe.js"), "--help"], (error, _out, err) =>
      resolve({ code: error?.code ?? 0, err }),
    );
  });
  assert.deepEqual(
    [code, err],
    [1, "✗ dubhe is not built yet: run `npm run build` in its repository, then try again\n"],
  );
});
