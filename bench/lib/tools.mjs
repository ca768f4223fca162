// What the bench needs besides Node: the reference in Go, which it builds, and h2load.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL("../subjects/grpc-go/", import.meta.url));
export const GRPC_GO = `${FOLDER}bin/bench-grpc-go`;

/** Builds the reference; quick when nothing has changed. */
export function buildGrpcGo() {
  const { status, error } = spawnSync("go", ["build", "-buildvcs=false", "-o", GRPC_GO, "."], {
    cwd: FOLDER,
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (status === 0) return;
  const why = error?.code === "ENOENT" ? "there is no `go`" : "`go build` failed in subjects/grpc-go";
  throw new Error(`${why}; --without grpc-go measures the rest`);
}

export function grpcGoVersion() {
  return /google\.golang\.org\/grpc v(\S+)/.exec(readFileSync(`${FOLDER}go.mod`, "utf8"))[1];
}

export function goVersion() {
  return spawnSync("go", ["env", "GOVERSION"], { encoding: "utf8" }).stdout.trim().replace(/^go/, "");
}

/** Installs h2load where that is possible without asking; says what to do where it is not. */
export function requireH2load() {
  if (h2loadVersion() !== undefined) return;
  if (process.getuid?.() === 0 && spawnSync("apt-get", ["--version"]).status === 0) {
    console.log("h2load is missing: apt-get install nghttp2-client");
    spawnSync("apt-get", ["update", "-qq"], { stdio: ["ignore", "ignore", "inherit"] });
    spawnSync("apt-get", ["install", "-yqq", "--no-install-recommends", "nghttp2-client"], {
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    });
    if (h2loadVersion() !== undefined) return;
  }
  throw new Error("h2load is missing (package nghttp2-client); --without h2load,cores measures the rest");
}

export function h2loadVersion() {
  const { status, stdout } = spawnSync("h2load", ["--version"], { encoding: "utf8" });
  return status === 0 ? stdout.trim().split("/").at(-1) : undefined;
}
