// The foreign programs: how each is built, started and asked.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "../../scripts/lib/child.mjs";
import { freeBase } from "./ports.mjs";

export const interop = join(dirname(fileURLToPath(import.meta.url)), "..");
const peers = join(interop, "peers");
const builds = new Map();

/** Builds a peer once a run; with warm caches this takes a second. */
function build(name, fn) {
  if (!builds.has(name)) {
    builds.set(
      name,
      (async () => {
        const began = Date.now();
        await fn();
        console.log(`built ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
      })(),
    );
  }
  return builds.get(name);
}

/** The dubbo-go peer's binary. */
export async function dubboGo() {
  await build("dubbo-go", () => run("building the dubbo-go peer", join(peers, "dubbo-go", "build.sh"), []));
  return join(peers, "dubbo-go", "bin", "peer-go");
}

/** The grpc-go peer's binary. */
export async function grpcGo() {
  await build("grpc-go", () => run("building the grpc-go peer", join(peers, "grpc-go", "build.sh"), []));
  return join(peers, "grpc-go", "bin", "peer-grpc");
}

/** Starts a real Nacos for this trial, with its data in a folder of the trial. Resolves with its ports. */
export async function startNacos(trial) {
  const recipe = join(peers, "nacos");
  const made = join(recipe, "target", "classpath");
  await build("nacos", () =>
    existsSync(made)
      ? undefined
      : run(
          "assembling Nacos",
          "mvn",
          ["-q", "-B", "compile", "dependency:build-classpath", "-Dmdep.outputFile=target/classpath"],
          { cwd: recipe },
        ),
  );
  // gRPC is HTTP + 1000, the cluster's gRPC + 1001, Raft - 1000.
  const http = await freeBase([0, 1000, 1001, -1000]);
  const home = trial.folder();
  trial.onEnd(() => run("stopping Nacos", join(recipe, "stop.sh"), [home], { timeoutMs: 30_000 }));
  const env = { NACOS_PORT: String(http), NACOS_JIT: "1" };
  const said = await run("starting Nacos", join(recipe, "start.sh"), [home], { env, timeoutMs: 180_000 });
  const log = join(home, "out.log");
  return {
    http,
    grpc: http + 1000,
    said: said.trim(),
    log: () => (existsSync(log) ? readFileSync(log, "utf8").slice(-2000) : ""),
  };
}
