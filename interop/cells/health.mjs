// Health and reflection, judged by grpcurl (of today, and of the time before reflection v1) and by the probe for Kubernetes,
// which is grpc-go's health client, as is the kubelet's own.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { makeCertificate } from "../../scripts/lib/certificate.mjs";
import { Child } from "../../scripts/lib/child.mjs";
import { goTool } from "../lib/go-tool.mjs";
import { dubboGo, interop } from "../lib/peers.mjs";

export const title = "grpcurl and the Kubernetes probe";

const GRPCURL = "github.com/fullstorydev/grpcurl/cmd/grpcurl";
const PROBE = "github.com/grpc-ecosystem/grpc-health-probe";
const guide = readFileSync(join(interop, "..", "docs", "health-and-reflection.md"), "utf8");

export async function run(trial) {
  const tools = {
    grpcurl: await goTool(GRPCURL, "v1.9.4"),
    v1alpha: await goTool(GRPCURL, "v1.8.7"),
    probe: await goTool(PROBE, "v0.4.61"),
  };
  await trial.step("grpcurl", "and the probe print what docs/health-and-reflection.md says", () =>
    guided(trial, tools),
  );

  const server = await startServer(trial, []);
  await trial.step("grpcurl v1.8.7", "finds and calls the service by v1alpha", () => byV1Alpha(tools.v1alpha, server));
  await trial.step("grpcurl", "shows an error with its status", () => failing(tools.grpcurl, server));
  await trial.step("probe", "follows what the application says", () => toldByApplication(tools.probe, server));
  await trial.step("probe", "leaves nothing behind, 200 times", () => twoHundred(tools.probe, server));
  await trial.step("dubbo-go client", "watches the service by Dubbo's key", () => watchedByDubboGo(trial, server));
  await trial.step("grpcurl", "watches the server leave", () => leaving(trial, tools, server));

  const tls = makeCertificate(trial.folder());
  const secure = await startServer(trial, ["--tls-cert", tls.cert, "--tls-key", tls.key]);
  await trial.step("probe", "and grpcurl over TLS", () => overTls(tools, secure, tls.cert));
}

async function startServer(trial, flags) {
  const program = join(interop, "dubhe", "health-server.mjs");
  const child = trial.start("health server", process.execPath, ["--enable-source-maps", program, ...flags], {
    input: "pipe",
  });
  const address = `localhost:${(await child.waitFor(/^READY (\d+)/m, 30_000))[1]}`;
  const tell = async (...command) => {
    const after = child.stdout.length;
    child.process.stdin.write(`${JSON.stringify(command)}\n`);
    return (await child.waitFor(new RegExp(`^${command[0]}: (.*)`, "m"), 5_000, after))[1];
  };
  return { child, address, tell };
}

/** Exit status and all output. The tools have no reason to take longer. */
async function execute(program, args, timeoutMs = 15_000) {
  const child = new Child(program, program, args);
  const { code } = await child.wait(timeoutMs);
  return { code, out: `${child.stdout}${child.stderr}`.trim() };
}

/** The document's own server, and its commands with their output. */
async function guided(trial, { grpcurl, probe }) {
  const program = /```js\n([\s\S]*?)```/.exec(guide)[1].replace('":50051"', '"127.0.0.1:0"');
  const child = trial.start("the document's server", process.execPath, ["--input-type=module"], {
    cwd: interop,
    input: "pipe",
  });
  child.process.stdin.end(program);
  const port = (await child.waitFor(/^serving at .*:(\d+)$/m, 20_000))[1];
  const session = /```console\n([\s\S]*?)```/.exec(guide)[1].split(/^\$ /m).slice(1);
  assert.ok(session.length >= 8, `${session.length} commands`);
  for (const entry of session) {
    const [command, ...expected] = entry.trim().split("\n");
    const line = command
      .replace("localhost:50051", `localhost:${port}`)
      .replace(/^grpcurl/, grpcurl)
      .replace(/^buf/, join(interop, "..", "node_modules", ".bin", "buf"))
      .replace(/^grpc_health_probe/, probe);
    const { code, out } = await execute("sh", ["-c", line]);
    assert.equal(code, 0, `${command}\n${out}`);
    // Go's JSON has one blank after a colon, or two: by chance, so that nobody relies on it.
    assert.equal(out.replace(/": +/g, '": '), expected.join("\n"), command);
  }
  child.kill("SIGTERM");
  assert.deepEqual(await child.wait(5_000), { code: 0, signal: null }, child.tail());
  return session.map((entry) => entry.split("\n")[0]);
}

async function byV1Alpha(grpcurl, { address }) {
  const saw = [];
  for (const [args, pattern] of [
    [["-plaintext", address, "list"], /^greet\.GreetService$/m],
    [["-plaintext", address, "describe", "greet.GreetRequest"], /int32 fail_code = 3;/],
    [["-plaintext", "-d", '{"name":"Ada"}', address, "greet.GreetService/Greet"], /hello Ada/],
  ]) {
    const { code, out } = await execute(grpcurl, args);
    assert.equal(code, 0, out);
    assert.match(out, pattern);
    saw.push(out.split("\n")[0]);
  }
  return saw;
}

async function failing(grpcurl, { address }) {
  const request = '{"name":"Ada","fail":"no such greeting","failCode":5}';
  const { code, out } = await execute(grpcurl, ["-plaintext", "-d", request, address, "greet.GreetService/Greet"]);
  assert.equal(code, 64 + 5, out);
  assert.match(out, /Code: NotFound\s+Message: no such greeting/);
  return `exit ${code}`;
}

/** grpc_health_probe's README: 4 = it answered, but not SERVING; 3 = the call failed. */
const UNHEALTHY = 4;
const CALL_FAILED = 3;

async function toldByApplication(probe, { address, tell }) {
  const check = async (expected, ...args) => {
    const { code, out } = await execute(probe, [`-addr=${address}`, "-connect-timeout=5s", "-rpc-timeout=5s", ...args]);
    assert.equal(code, expected, `${args}: ${out}`);
    return `${args.join(" ") || "overall"}: exit ${code}, ${out}`;
  };
  const saw = [await check(0), await check(0, "-service=shop/greet.GreetService:1.0.0")];
  saw.push(await check(CALL_FAILED, "-service=nobody"));
  await tell("set", "", "NOT_SERVING");
  saw.push(await check(UNHEALTHY), await check(0, "-service=greet.GreetService"));
  await tell("reset", "");
  saw.push(await check(0));
  return saw;
}

async function twoHundred(probe, { address, tell }) {
  const before = await settled(tell);
  // Of the probe's own limits of 1 s the machine's load decides.
  const patient = [`-addr=${address}`, "-connect-timeout=10s", "-rpc-timeout=10s"];
  let left = 200;
  const one = async () => {
    while (left-- > 0) {
      const { code, out } = await execute(probe, [
        ...patient,
        ...(left % 2 === 0 ? [] : ["-service=greet.GreetService"]),
      ]);
      assert.equal(code, 0, out);
    }
  };
  await Promise.all([one(), one(), one(), one()]);
  const after = await settled(tell);
  assert.deepEqual(after, before);
  return JSON.stringify(after);
}

/** What the server holds once the sockets of those who have left are closed. */
async function settled(tell) {
  const deadline = Date.now() + 5_000;
  for (;;) {
    const held = JSON.parse(await tell("held"));
    const quiet = held.connections === 0 && held.activeCalls === 0 && !held.resources.includes("TCPSocketWrap");
    if (quiet) return held;
    assert.ok(Date.now() < deadline, `still held: ${JSON.stringify(held)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** dubbo-go watches each service that it calls; a name that we did not know would be one more that we keep. */
async function watchedByDubboGo(trial, { address, tell }) {
  const binary = await dubboGo();
  const where = ["--url", `tri://${address}`, "--group", "shop", "--version", "1.0.0"];
  const before = JSON.parse(await tell("held"));
  const child = trial.start("dubbo-go client", binary, ["client", ...where, "--calls", "deadline", "--timeout", "2s"], {
    cwd: trial.folder(),
  });
  for (;;) {
    const { activeCalls, names } = JSON.parse(await tell("held"));
    // The call, and the Watch beside it.
    if (activeCalls === 2) {
      assert.equal(names, before.names, "it watches a name that nobody has set");
      break;
    }
    assert.equal(child.end, undefined, `it ended without a Watch\n${child.tail()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await child.wait(20_000);
  await settled(tell);
}

async function leaving(trial, { grpcurl, probe }, { child, address, tell }) {
  const request = '{"service":"shop/greet.GreetService:1.0.0"}';
  const args = ["-plaintext", "-d", request, address, "grpc.health.v1.Health/Watch"];
  const watch = trial.start("grpcurl watch", grpcurl, args);
  await watch.waitFor(/"SERVING"/, 10_000);
  const began = Date.now();
  await tell("close");
  // At once: it listens for 1.5 s more.
  const [probed] = await Promise.all([execute(probe, [`-addr=${address}`]), watch.waitFor(/"NOT_SERVING"/, 1_400)]);
  assert.equal(probed.code, UNHEALTHY, probed.out);
  assert.equal((await watch.wait(5_000)).code, 64 + 14, watch.tail());
  assert.match(watch.stderr, /Code: Unavailable\s+Message: the server is shutting down/);
  assert.deepEqual(await child.wait(5_000), { code: 0, signal: null }, child.tail());
  const tookMs = Date.now() - began;
  // 1.5 s for the registry's word to travel; the grace of 10 s is for calls, and a Watch is none that anybody waits for.
  assert.ok(tookMs < 4_000, `it took ${tookMs} ms`);
  return [`NOT_SERVING, then UNAVAILABLE; the probe exits ${probed.code}`, `gone after ${tookMs} ms`];
}

async function overTls({ grpcurl, probe }, { address }, certificate) {
  const flags = ["-tls", `-tls-ca-cert=${certificate}`, "-tls-server-name=localhost"];
  const probed = await execute(probe, [`-addr=${address}`, ...flags]);
  assert.equal(probed.code, 0, probed.out);
  const listed = await execute(grpcurl, ["-cacert", certificate, address, "list"]);
  assert.equal(listed.code, 0, listed.out);
  assert.match(listed.out, /^greet\.GreetService$/m);
  return probed.out;
}
