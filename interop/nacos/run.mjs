// The Nacos client and the embedded registry against a real Nacos server, which is started and ended here.
// Usage: node interop/nacos/run.mjs [--only part,part]
//   contract   the contract suite of `Registry`, on a fresh server
//   restart    the server is killed and started again: everything comes back
//   auth       logins, tokens that expire, wrong passwords
//   tls        TLS on the gRPC port
//   sdk-go     others' client on the embedded registry and on real Nacos sees the same
// Needs a JDK 17, Maven and curl; sdk-go needs Go, tls needs openssl. Exits 0 only if every part held.
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { makeCertificate } from "../../scripts/lib/certificate.mjs";
import { StepFailed, Trial } from "../lib/trial.mjs";
import { authSteps } from "./auth.mjs";
import { restartSteps } from "./restart.mjs";
import * as sdkGo from "./sdk-go.mjs";
import { startServer } from "./server.mjs";
import { tlsSteps } from "./tls.mjs";

const here = dirname(fileURLToPath(import.meta.url));

const PARTS = {
  contract: {
    title: "the contract suite on real Nacos",
    async run(trial) {
      const server = await startServer(trial);
      const child = trial.start(
        "contract",
        process.execPath,
        ["--enable-source-maps", "--test", join(here, "contract.test.mjs")],
        {
          env: { NACOS_URL: server.url },
        },
      );
      await trial.step("real Nacos", "keeps the contract", async () => {
        const end = await child.wait(300_000);
        const count = (what) => Number(new RegExp(`^# ${what} (\\d+)$`, "m").exec(child.stdout)?.[1] ?? Number.NaN);
        if (end.code !== 0 || count("fail") !== 0 || count("skipped") !== 0) throw new Error(child.tail(80));
        // As many as the suite has for these capabilities: fewer means that something did not run.
        if (!(count("pass") >= 29)) throw new Error(`only ${count("pass")} tests ran`);
        return `${count("pass")} tests`;
      });
    },
  },
  restart: { title: "a server that is killed and comes back", run: restartSteps },
  auth: { title: "a server that wants a login", run: authSteps },
  tls: { title: "a server that speaks TLS", run: (trial) => tlsSteps(trial, makeCertificate(trial.folder())) },
  "sdk-go": sdkGo,
};

const { values: flags } = parseArgs({ options: { only: { type: "string" } } });
const chosen = flags.only?.split(",") ?? Object.keys(PARTS);
const unknown = chosen.filter((name) => !Object.hasOwn(PARTS, name));
if (unknown.length > 0) {
  console.error(`no part ${unknown.join(", ")}; there are ${Object.keys(PARTS).join(", ")}`);
  process.exit(2);
}

const failures = [];
for (const name of chosen) {
  console.log(`\n${name}: ${PARTS[name].title}`);
  const trial = new Trial();
  try {
    await PARTS[name].run(trial);
    if (trial.steps === 0) throw new Error("it took no step");
  } catch (error) {
    failures.push(name);
    const where = error instanceof StepFailed ? `${error.peer}: ${error.step}` : "preparing";
    console.log(`  FAIL ${where}\n    ${error.message.split("\n").join("\n    ")}\n${trial.evidence()}`);
  }
  await trial.close();
}
console.log(
  `\n${chosen.length - failures.length} passed, ${failures.length} failed${failures.length === 0 ? "" : `: ${failures.join(", ")}`}`,
);
process.exit(failures.length === 0 ? 0 : 1);
