// Java interfaces without .proto files, over Triple with hessian2: dubbo-java and Dubhe, both directions, by address and
// through the embedded registry.
import assert from "node:assert/strict";
import { join } from "node:path";
import { dubboJava, interop } from "../lib/peers.mjs";
import { freeBase, freePort } from "../lib/ports.mjs";

export const title = "Java interfaces without protobuf: dubbo-java and Dubhe, both directions, by address and by name";

/** What dubbo-java's consumer tries: see UsersCaller.java. */
const checks = 24;

export async function run(trial) {
  const java = await dubboJava();
  const cwd = trial.folder();
  const start = (name, dubbo, ...args) => trial.start(name, java, args, { cwd, env: { PEER_JAVA_DUBBO: dubbo } });

  for (const dubbo of ["3.3.6", "3.2.19"]) {
    const port = await freePort();
    const provider = start(
      `dubbo-java ${dubbo} provider`,
      dubbo,
      "users-server",
      "--port",
      String(port),
      "--host",
      "127.0.0.1",
    );
    await provider.waitFor(/^READY/m, 40_000);
    await trial.step(`dubbo-java ${dubbo} provider`, "is called by Dubhe", () =>
      dubheCalls(trial, ["--url", `tri://127.0.0.1:${port}`, "--java"]),
    );
    const ours = await startOurs(trial, "dubhe provider", ["--listen", "0.0.0.0:0"]);
    await trial.step(`dubbo-java ${dubbo} consumer`, "calls Dubhe", () =>
      javaCalls(start(`dubbo-java ${dubbo} consumer`, dubbo, "users-client", "--url", `tri://127.0.0.1:${ours}`)),
    );
    if (dubbo === "3.3.6") {
      await trial.step(`dubbo-java ${dubbo} provider`, "is called by Dubhe with JSON", () =>
        dubheCalls(trial, ["--url", `tri://127.0.0.1:${port}`, "--codec", "plain-json"]),
      );
      await trial.step("dubhe provider", "is called by Dubhe with JSON", () =>
        dubheCalls(trial, ["--url", `tri://127.0.0.1:${ours}`, "--codec", "json"]),
      );
    }
    await provider.stop();
  }

  const base = await freeBase([0, 1000], 22848);
  const embedded = `embedded://127.0.0.1:${base + 1000}`;
  const nacos = `nacos://127.0.0.1:${base}`;
  // dubbo-java connects to the machine's own address where it is told 127.0.0.1.
  await startOurs(trial, "dubhe provider on the registry", ["--registry", embedded, "--listen", "0.0.0.0:0"]);
  await trial.step("dubbo-java 3.3.6 consumer on the embedded registry", "discovers and calls Dubhe", () =>
    javaCalls(start("dubbo-java consumer by name", "3.3.6", "users-client", "--registry", nacos)),
  );
  const port = String(await freePort());
  const flags = ["--port", port, "--host", "127.0.0.1", "--registry", nacos];
  const provider = start("dubbo-java provider by name", "3.3.6", "users-server", ...flags);
  await provider.waitFor(/^READY/m, 60_000);
  // Both offer the interface: the application tells them apart.
  await trial.step("dubbo-java 3.3.6 provider on the embedded registry", "is discovered and called by Dubhe", () =>
    dubheCalls(trial, ["--registry", embedded, "--provided-by", "java-users", "--java"]),
  );
}

async function startOurs(trial, name, args) {
  const program = join(interop, "dubhe", "users-provider.mjs");
  const child = trial.start(name, process.execPath, [program, ...args], { input: "pipe" });
  return Number((await child.waitFor(/^READY (\d+)/m, 30_000))[1]);
}

async function dubheCalls(trial, args) {
  const program = join(interop, "dubhe", "users-consumer.mjs");
  const child = trial.start("dubhe consumer", process.execPath, ["--enable-source-maps", program, ...args]);
  const { code } = await child.wait(60_000);
  assert.equal(code, 0, child.tail(30));
  return child.stdout.trim().split("\n");
}

async function javaCalls(child) {
  await child.wait(60_000);
  const lines = child.stdout
    .split("\n")
    .filter((line) => line.startsWith('{"check"'))
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    lines.filter(({ ok }) => !ok),
    [],
  );
  assert.equal(lines.length, checks, child.tail(30));
  return `${lines.length} checks: ${lines.map(({ check }) => check).join(", ")}`;
}
