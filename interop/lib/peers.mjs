// The foreign programs: how each is built, started and asked.
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "../../scripts/lib/child.mjs";

export const interop = join(dirname(fileURLToPath(import.meta.url)), "..");
const peers = join(interop, "peers");
const builds = new Map();

/** Builds a peer once a run; with warm caches this takes a second. */
export function build(name, fn) {
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

/** The dubbo-go peer's binary, on 3.3.2 or 3.3.0. */
export async function dubboGo(version = "3.3.2") {
  await build("dubbo-go", () => run("building the dubbo-go peer", join(peers, "dubbo-go", "build.sh"), []));
  return join(peers, "dubbo-go", "bin", version === "3.3.2" ? "peer-go" : `peer-go-${version}`);
}

/** The dubbo-java peer; PEER_JAVA_DUBBO says on what version. */
export async function dubboJava() {
  await build("dubbo-java", () => run("building the dubbo-java peer", join(peers, "java", "build.sh"), []));
  return join(peers, "java", "peer-java");
}

/** The grpc-go peer's binary. */
export async function grpcGo() {
  await build("grpc-go", () => run("building the grpc-go peer", join(peers, "grpc-go", "build.sh"), []));
  return join(peers, "grpc-go", "bin", "peer-grpc");
}

/** Starts a real Nacos for this trial, with its data in a folder of the trial. */
export { startServer as startNacos } from "../nacos/server.mjs";
