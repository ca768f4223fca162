// The `dubhe` command on real registries, all at once: what doctor, explain, ls and watch say while a provider runs, after it has left,
// of one that was killed, that advertises a port where nobody or somebody else listens, and after the registry has gone. Usage: node interop/cli/run.mjs [--only zookeeper,etcd,nacos,embedded]
import { execFile } from "node:child_process";
import { createServer } from "node:http";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { freePort } from "../lib/ports.mjs";
import { StepFailed, Trial } from "../lib/trial.mjs";
import { checkKinds, KINDS } from "../migration/registries.mjs";

const service = "interop.echo.v1.EchoService";
const application = "migrating-provider";
const root = join(import.meta.dirname, "..", "..");

const { values: flags } = parseArgs({ options: { only: { type: "string" } } });
const chosen = flags.only?.split(",") ?? Object.keys(KINDS);
checkKinds(chosen);

/** Runs the command as users do; fails when it ends with another code than `code`. */
async function dubhe(code, ...args) {
  const { end, out, err } = await new Promise((resolve) => {
    const child = execFile(process.execPath, [join(root, "packages/cli/bin/dubhe.js"), ...args], { timeout: 30_000 });
    const said = { out: "", err: "" };
    child.stdout.on("data", (text) => (said.out += text));
    child.stderr.on("data", (text) => (said.err += text));
    child.on("close", (end) => resolve({ end, ...said }));
  });
  if (end !== code) throw new Error(`dubhe ${args.join(" ")} ended with ${end}, not ${code}:\n${out}${err}`);
  return out;
}

function expect(text, pattern) {
  const match = pattern.exec(text);
  if (match === null) throw new Error(`${pattern} is not in\n${text}`);
  return match[0];
}

async function runOn(kind, trial) {
  const { url, stop } = await KINDS[kind](trial);
  const at = ["--registry", url];
  const start = (label, ...more) => {
    const script = join(root, "interop/migration/provider.mjs");
    const where = more.includes("--registry") ? [] : at;
    return trial.start(`provider ${label}`, process.execPath, [script, "--label", label, ...where, ...more]);
  };
  const byInterface = start("i", "--registry", `${url}?registry-type=interface`);
  const [, itsAddress] = await byInterface.waitFor(/READY (\S+)/);
  await trial.step(kind, "explain: a provider of Dubbo 2's model; found when asked for", async () => {
    const both = ["--registry", `${url}?registry-type=all`];
    expect(await dubhe(0, "explain", service, ...both), new RegExp(`✓ ${itsAddress}: TCP .* HTTP/2 `));
    return expect(
      await dubhe(1, "explain", service, ...at),
      /First wrong: mapping\n +no mapping: .*, but 1 provider registers the interface itself: give the registry registry-type=all/,
    );
  });
  await byInterface.stop(10_000);
  const provider = start("a");
  const [, address] = await provider.waitFor(/READY (\S+)/);
  await trial.step(kind, "doctor finds everything in order", async () =>
    expect(await dubhe(0, "doctor", ...at), /a consumer finds 1 application, 1 instance, 1 service/),
  );
  await trial.step(kind, "explain: it can be called", async () => {
    const out = await dubhe(0, "explain", service, ...at);
    expect(out, new RegExp(`✓ ${address}: TCP .* HTTP/2 `));
    return expect(out, /✓ \S+ over tri can be called: 1 of 1 endpoints/);
  });
  await trial.step(kind, "explain: another group", async () =>
    expect(await dubhe(1, "explain", `blue/${service}`, ...at), /First wrong: service\n +group differs: .*/),
  );
  await trial.step(kind, "explain: a misspelt name", async () =>
    expect(await dubhe(1, "explain", "interop.echo.v1.EchoServise", ...at), /First wrong: mapping\n +no mapping: .*/),
  );
  await trial.step(kind, "ls", () =>
    Promise.all(
      [
        [[], new RegExp(`${application} +1 +1`)],
        [["services"], new RegExp(`${service} +${application}`)],
        [["instances"], new RegExp(`${address} +${application} +100 +ok`)],
        [["instances", "--json"], new RegExp(`"address": "${address}"`)],
      ].map(async ([what, pattern]) => expect(await dubhe(0, "ls", ...what, ...at), pattern)),
    ),
  );
  await trial.step(kind, "watch: what is there, a newcomer, one that leaves; Ctrl-C", async () => {
    const watch = trial.start("watch", process.execPath, [
      join(root, "packages/cli/bin/dubhe.js"),
      "watch",
      "instances",
      ...at,
    ]);
    await watch.waitFor(new RegExp(`\\+ ${address} ${application}: weight 100`));
    const other = start("b");
    const [, second] = await other.waitFor(/READY (\S+)/);
    await watch.waitFor(new RegExp(`\\+ ${second} ${application}: weight 100`));
    other.kill("SIGTERM");
    const end = await other.wait(15_000);
    if (end.code !== 0) throw new Error(`the provider ended with ${end.code ?? end.signal}\n${other.tail()}`);
    await watch.waitFor(new RegExp(`- ${second} ${application}`));
    watch.kill("SIGINT");
    const { code } = await watch.wait(10_000);
    if (code !== 0) throw new Error(`watch ended with ${code}\n${watch.tail()}`);
    return watch.stdout.trim().split("\n");
  });
  await provider.stop(10_000);
  if (kind !== "embedded") {
    await trial.step(kind, "explain: the provider has left", async () =>
      expect(
        await dubhe(1, "explain", service, ...at),
        /First wrong: instances\n +mapping names \S+, which has no instances in .*/,
      ),
    );
    await trial.step(kind, "explain: it advertises what nobody, or an HTTP/1.1 server, listens on", async () => {
      const web = createServer((_, response) => response.end("hello"));
      await new Promise((resolve) => web.listen(0, "127.0.0.1", resolve));
      const said = [];
      for (const [port, words] of [
        [await freePort(), (port) => `port ${port} of 127.0.0.1 refuses connections: nobody listens there`],
        [web.address().port, (port) => `127.0.0.1:${port} is not HTTP/2: it answers in HTTP/1.1`],
      ]) {
        const wrong = start("w", "--advertise", `127.0.0.1:${port}`, "--metadata", "remote");
        await wrong.waitFor(/READY/);
        const out = await dubhe(1, "explain", service, ...at);
        said.push(expect(out, new RegExp(`First wrong: connect\n +${words(port).replaceAll(".", "\\.")}`)));
        await wrong.stop(10_000);
      }
      web.close();
      return said;
    });
    await trial.step(kind, "explain: it was killed", async () => {
      const killed = start("k");
      await killed.waitFor(/READY/);
      killed.kill("SIGKILL");
      await killed.wait(5_000);
      // Nacos hears of it by the connection, the others when session or lease end.
      const words =
        kind === "nacos"
          ? /First wrong: instances\n +mapping names \S+, which has no instances in .*/
          : /First wrong: metadata\n +metadata of revision \S+ of migrating-provider is unreadable: port \d+ of 127\.0\.0\.1 refuses connections: nobody listens there/;
      return expect(await dubhe(1, "explain", service, ...at), words);
    });
    await stop();
  }
  await trial.step(kind, "explain and doctor: the registry has gone", async () => {
    expect(await dubhe(1, "explain", service, "--timeout", "2s", ...at), /First wrong: registry\n/);
    const out = await dubhe(1, "doctor", "--timeout", "2s", ...at);
    return expect(out, /✗ port \d+ of 127\.0\.0\.1 refuses connections: nobody listens there/);
  });
}

const began = Date.now();
const failures = [];
await Promise.all(
  chosen.map(async (kind) => {
    const trial = new Trial();
    try {
      await runOn(kind, trial);
    } catch (error) {
      failures.push(kind);
      const where = error instanceof StepFailed ? `${error.peer}: ${error.step}` : `${kind}: preparing`;
      console.log(`  FAIL ${where}\n    ${error.message.split("\n").join("\n    ")}\n${trial.evidence()}`);
    }
    await trial.close();
  }),
);
const summary = `${chosen.length - failures.length} passed, ${failures.length} failed`;
console.log(
  `\n${summary}${failures.length === 0 ? "" : `: ${failures.join(", ")}`} in ${((Date.now() - began) / 1_000).toFixed(0)} s`,
);
process.exit(failures.length === 0 ? 0 : 1);
