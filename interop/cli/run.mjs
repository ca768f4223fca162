// The `dubhe` command on real registries: what doctor, explain, ls and watch say while a provider runs, after it has been killed, and
// after the registry has. Usage: node interop/cli/run.mjs [--only zookeeper,etcd,nacos,embedded]
import { execFile } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";
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
  const start = (label) => {
    const script = join(root, "interop/migration/provider.mjs");
    return trial.start(`provider ${label}`, process.execPath, [script, "--label", label, ...at]);
  };
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
  await trial.step(kind, "ls", async () => [
    expect(await dubhe(0, "ls", ...at), new RegExp(`${application} +1 +1`)),
    expect(await dubhe(0, "ls", "services", ...at), new RegExp(`${service} +${application}`)),
    expect(await dubhe(0, "ls", "instances", ...at), new RegExp(`${address} +${application} +100 +ok`)),
    expect(await dubhe(0, "ls", "instances", "--json", ...at), new RegExp(`"address": "${address}"`)),
  ]);
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
    await other.stop(10_000);
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
    await stop();
  }
  await trial.step(kind, "explain and doctor: the registry has gone", async () => {
    expect(await dubhe(1, "explain", service, "--timeout", "2s", ...at), /First wrong: registry\n/);
    const out = await dubhe(1, "doctor", "--timeout", "2s", ...at);
    return expect(out, /✗ port \d+ of 127\.0\.0\.1 refuses connections: nobody listens there/);
  });
}

const failures = [];
for (const kind of chosen) {
  console.log(`\n${kind}`);
  const trial = new Trial();
  try {
    await runOn(kind, trial);
  } catch (error) {
    failures.push(kind);
    const where = error instanceof StepFailed ? `${error.peer}: ${error.step}` : "preparing";
    console.log(`  FAIL ${where}\n    ${error.message.split("\n").join("\n    ")}\n${trial.evidence()}`);
  }
  await trial.close();
}
console.log(
  `\n${chosen.length - failures.length} passed, ${failures.length} failed${failures.length === 0 ? "" : `: ${failures.join(", ")}`}`,
);
process.exit(failures.length === 0 ? 0 : 1);
