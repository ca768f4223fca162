// Generates JavaScript and declarations from every proto/ folder of the workspace into the gen/ folder beside it.
// Usage: node scripts/generate.mjs [--check] [folder ...]   --check changes nothing and fails if generating would.
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const repository = join(dirname(fileURLToPath(import.meta.url)), "..");
process.chdir(repository);
const bin = join(repository, "node_modules", ".bin");
const args = process.argv.slice(2);
const check = args.includes("--check");
const asked = args.filter((a) => !a.startsWith("--"));

const children = (folder) => (existsSync(folder) ? readdirSync(folder).map((name) => `${folder}/${name}`) : []);
const folders = [...children("packages"), ...children("examples"), "bench", "interop"]
  .filter((folder) => existsSync(join(folder, "proto")))
  .filter((folder) => asked.length === 0 || asked.includes(folder))
  .sort();

function generate(folder, out) {
  const plugin = { local: "protoc-gen-es", out, opt: ["target=js+dts", "import_extension=js"] };
  const template = JSON.stringify({ version: "v2", plugins: [plugin] });
  const result = spawnSync(join(bin, "buf"), ["generate", `${folder}/proto`, "--template", template], {
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, PATH: `${bin}${process.platform === "win32" ? ";" : ":"}${process.env.PATH}` },
    shell: process.platform === "win32",
  });
  if (result.status !== 0) throw new Error(`buf failed for ${folder}/proto (exit ${result.status ?? result.error})`);
}

/** Relative path -> text of every file below. */
function contents(folder) {
  const files = new Map();
  if (!existsSync(folder)) return files;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files.set(path.slice(folder.length + 1), readFileSync(path, "utf8"));
  }
  return files;
}

let stale = 0;
for (const folder of folders) {
  const gen = join(folder, "gen");
  // Beside gen/ (so that a rename suffices), or, to look only, in the system's temporary folder.
  const scratch = mkdtempSync(check ? join(tmpdir(), "dubhe-gen-") : join(folder, ".gen-"));
  try {
    generate(folder, scratch);
    const fresh = contents(scratch);
    if (check) {
      const old = contents(gen);
      for (const path of new Set([...fresh.keys(), ...old.keys()])) {
        if (fresh.get(path) === old.get(path)) continue;
        stale += 1;
        console.error(
          `${gen}/${path}: ${!old.has(path) ? "missing" : !fresh.has(path) ? "no longer generated" : "out of date"}`,
        );
      }
    } else {
      rmSync(gen, { recursive: true, force: true });
      renameSync(scratch, gen);
      chmodSync(gen, 0o755);
    }
    console.log(`${folder}: ${fresh.size} files`);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
if (stale > 0) {
  console.error("run `npm run generate` and commit what it changes");
  process.exit(1);
}
