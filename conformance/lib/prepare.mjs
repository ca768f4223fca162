// What the suite needs from elsewhere: the runner, built by go, and its protos, which come in the same Go module.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "../../scripts/lib/child.mjs";

export const VERSION = "v1.0.7";
const MODULE = "connectrpc.com/conformance";

const conformance = join(dirname(fileURLToPath(import.meta.url)), "..");
const repository = join(conformance, "..");
const tools = join(repository, ".tools", "bin");
const bin = join(repository, "node_modules", ".bin");

const versionOf = (command) => {
  const { status, stdout } = spawnSync(command, ["--version"], { encoding: "utf8" });
  return status === 0 ? stdout.trim().split(/\s+/).at(-1) : undefined;
};

/** The runner's path: $CONNECTCONFORMANCE, .tools/bin, PATH, or built into .tools/bin. */
export async function findRunner() {
  const built = join(tools, "connectconformance");
  for (const candidate of [process.env.CONNECTCONFORMANCE, built, "connectconformance"])
    if (candidate && versionOf(candidate) === VERSION) return candidate;
  mkdirSync(tools, { recursive: true });
  await run("go install connectconformance", "go", ["install", `${MODULE}/cmd/connectconformance@${VERSION}`], {
    cwd: tools,
    env: { GOBIN: tools, GOFLAGS: "-mod=mod" },
  });
  if (versionOf(built) !== VERSION) throw new Error(`${built} is not ${VERSION} after building it`);
  return built;
}

/** Generates gen/ from the module's protos, once a version. They import only Google's well-known types. */
export async function generateMessages() {
  const gen = join(conformance, "gen");
  const stamp = join(gen, "version");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === VERSION) return;
  const downloaded = await run("go mod download", "go", ["mod", "download", "-json", `${MODULE}@${VERSION}`], {
    cwd: conformance,
    env: { GOFLAGS: "-mod=mod" },
  });
  const fresh = `${gen}.${process.pid}`;
  const plugin = { local: "protoc-gen-es", out: fresh, opt: ["target=js", "import_extension=js"] };
  try {
    await run(
      "buf generate",
      join(bin, "buf"),
      [
        "generate",
        join(JSON.parse(downloaded).Dir, "proto"),
        "--template",
        JSON.stringify({ version: "v2", plugins: [plugin] }),
      ],
      { cwd: conformance, env: { PATH: `${bin}:${process.env.PATH}` } },
    );
    writeFileSync(join(fresh, "version"), VERSION);
    rmSync(gen, { recursive: true, force: true });
    renameSync(fresh, gen);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}
