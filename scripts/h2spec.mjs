// `npm run h2spec`: the HTTP/2 conformance suite h2spec, in strict mode, against our engine: in the clear (h2c) and over TLS,
// each also with HTTP/1.1 on the same port.
// Usage: node scripts/h2spec.mjs [h2c|tls|h2c+http1|tls+http1 ...]   Finds h2spec in $H2SPEC, .tools/bin or PATH, and else builds it with go.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeCertificate } from "./lib/certificate.mjs";
import { Child, run } from "./lib/child.mjs";

const VERSION = "v2.2.1+incompatible";
/** h2spec 2.2.1 has 146 cases, one of which only --strict runs. Fewer than this ran: a run that proves nothing. */
const LEAST = 146;

const here = dirname(fileURLToPath(import.meta.url));
const tools = join(here, "..", ".tools", "bin");
const folder = mkdtempSync(join(tmpdir(), "dubhe-h2spec-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

const works = (command) => spawnSync(command, ["--version"], { stdio: "ignore" }).status === 0;

async function findH2spec() {
  const built = join(tools, "h2spec");
  for (const candidate of [process.env.H2SPEC, built, "h2spec"]) if (candidate && works(candidate)) return candidate;
  mkdirSync(tools, { recursive: true });
  const env = { GOBIN: tools, GOFLAGS: "-mod=mod" };
  try {
    await run("go install h2spec", "go", ["install", "github.com/summerwind/h2spec/cmd/h2spec@latest"], {
      cwd: folder,
      env,
    });
  } catch (error) {
    // The tagged release has no go.mod: where `go install` refuses that, a module of our own asks for it.
    console.log(`go install refused (${String(error).split("\n")[0]}); building ${VERSION} through a wrapper module`);
    const wrapper = join(folder, "wrapper");
    mkdirSync(wrapper);
    writeFileSync(
      join(wrapper, "go.mod"),
      `module wrapper\n\ngo 1.21\n\nrequire github.com/summerwind/h2spec ${VERSION}\n`,
    );
    writeFileSync(join(wrapper, "tools.go"), 'package wrapper\n\nimport _ "github.com/summerwind/h2spec"\n');
    await run("go build h2spec", "go", ["build", "-o", built, "github.com/summerwind/h2spec/cmd/h2spec"], {
      cwd: wrapper,
      env,
    });
  }
  if (!existsSync(built)) throw new Error(`no h2spec at ${built} after building it`);
  return built;
}

/** Sums of h2spec's JUnit report, and what failed. */
function readReport(path) {
  const text = readFileSync(path, "latin1");
  const sum = { tests: 0, skipped: 0, failures: 0, errors: 0 };
  for (const suite of text.matchAll(/<testsuite [^>]*>/g)) {
    for (const key of Object.keys(sum))
      sum[key] += Number(new RegExp(` ${key}="(\\d+)"`).exec(suite[0])?.[1] ?? Number.NaN);
  }
  const bad = [];
  for (const match of text.matchAll(/<testcase package="([^"]*)" classname="([^"]*)"[^>]*>([\s\S]*?)<\/testcase>/g)) {
    const [, section, title, body] = match;
    if (/<(?:failure|error|skipped)/.test(body)) {
      bad.push(
        `    ${section}: ${title}\n      ${body
          .replace(/<[^>]*>/g, " ")
          .replace(/[^\x20-\x7e]+/g, " ")
          .trim()
          .slice(0, 300)}`,
      );
    }
  }
  return { ...sum, bad };
}

async function conform(h2spec, mode) {
  const serverArgs = [join(here, "h2spec", "server.mjs"), "--port", "0"];
  if (mode.endsWith("+http1")) serverArgs.push("--http1");
  if (mode.startsWith("tls")) {
    const { cert, key } = makeCertificate(folder);
    serverArgs.push("--tls-cert", cert, "--tls-key", key);
  }
  const server = new Child("the server", process.execPath, serverArgs);
  try {
    const port = (await server.waitFor(/^READY (\d+)/m, 10_000))[1];
    const report = join(folder, `${mode}.xml`);
    const args = ["--strict", "--host", "127.0.0.1", "--port", port, "--timeout", "3", "--junit-report", report];
    if (mode.startsWith("tls")) args.push("--tls", "--insecure");
    const began = Date.now();
    const suite = new Child("h2spec", h2spec, args);
    await suite.wait(300_000);
    if (!existsSync(report)) throw new Error(`h2spec wrote no report\n${suite.tail()}`);
    const { tests, skipped, failures, errors, bad } = readReport(report);
    const ok = tests >= LEAST && skipped === 0 && failures === 0 && errors === 0 && server.end === undefined;
    const seconds = ((Date.now() - began) / 1000).toFixed(1);
    console.log(
      `${ok ? "ok  " : "FAIL"} h2spec ${mode}: ${tests} cases ran, ${failures + errors} failed, ${skipped} skipped (${seconds} s)`,
    );
    if (tests < LEAST || Number.isNaN(tests)) console.log(`    fewer than ${LEAST} cases ran\n${suite.tail()}`);
    for (const line of bad) console.log(line);
    if (server.end !== undefined) console.log(`    the server ended\n${server.tail()}`);
    return ok;
  } finally {
    await server.stop();
  }
}

const modes = process.argv.length > 2 ? process.argv.slice(2) : ["h2c", "tls", "h2c+http1", "tls+http1"];
const h2spec = await findH2spec();
let failed = 0;
for (const mode of modes) if (!(await conform(h2spec, mode))) failed += 1;
console.log(`h2spec: ${modes.length - failed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
