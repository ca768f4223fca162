// A real Nacos server of interop/peers/nacos, for a trial.
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "../../scripts/lib/child.mjs";
import { freeBase } from "../lib/ports.mjs";

const recipe = join(dirname(fileURLToPath(import.meta.url)), "..", "peers", "nacos");

/** So that two that are started at once do not find the same ports free. */
let started = 0;

/**
 * Starts one with its data in a folder of the trial, and ends it with the trial. `env` as for start.sh; `properties` go to its
 * configuration. After `kill`, `start` starts it again: same ports, same data. Two servers
 * started at once get different ports.
 */
export async function startServer(trial, { env = {}, properties = [] } = {}) {
  if (!existsSync(join(recipe, "target", "classpath"))) {
    const goals = ["-q", "-B", "compile", "dependency:build-classpath", "-Dmdep.outputFile=target/classpath"];
    await run("assembling Nacos", "mvn", goals, { cwd: recipe });
  }
  // gRPC is HTTP + 1000, the cluster's gRPC + 1001, Raft - 1000.
  const http = await freeBase([0, 1000, 1001, -1000], 21848 + 2 * started++);
  const home = trial.folder();
  const settings = { NACOS_PORT: String(http), NACOS_JIT: "1", ...env };
  if (properties.length > 0) {
    settings.NACOS_EXTRA = join(trial.folder(), "extra.properties");
    writeFileSync(settings.NACOS_EXTRA, `${properties.join("\n")}\n`);
  }
  const script = (name) => run(`${name} of Nacos`, join(recipe, name), [home], { env: settings, timeoutMs: 180_000 });
  let pid = 0;
  let living = false;
  const start = async () => {
    // On a very busy machine its database gives up before it has begun.
    const first = await script("start.sh").catch((error) => {
      if (!error.message.includes("Login timeout exceeded")) throw error;
      rmSync(join(home, "pid"), { force: true });
      return undefined;
    });
    const said = (first ?? (await script("start.sh"))).trim();
    console.log(`  ${said}`);
    pid = Number(/pid (\d+)/.exec(said)?.[1]);
    living = true;
  };
  await start();
  // A run that is interrupted ends no trial, and start.sh's server is nobody's child.
  const interrupted = () => {
    if (!living) return;
    process.kill(pid, "SIGKILL");
    rmSync(home, { recursive: true, force: true });
  };
  process.once("exit", interrupted);
  trial.onEnd(() => {
    process.off("exit", interrupted);
    // A stopped process does not hear that it is to end; one that was killed is not there.
    if (!living) return undefined;
    living = false;
    process.kill(pid, "SIGCONT");
    return script("stop.sh");
  });
  return {
    http,
    grpc: http + 1000,
    port: http,
    url: `nacos://127.0.0.1:${http}`,
    /** Its sockets stay open, and nobody answers. */
    freeze: () => process.kill(pid, "SIGSTOP"),
    thaw: () => process.kill(pid, "SIGCONT"),
    kill() {
      living = false;
      process.kill(pid, "SIGKILL");
      // start.sh asks whether that process is gone; where nobody reaps it, it never is.
      rmSync(join(home, "pid"), { force: true });
    },
    start,
  };
}
