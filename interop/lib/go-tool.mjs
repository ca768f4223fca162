// Programs that are published as Go modules, installed once into .tools/.
import { existsSync, mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { run } from "../../scripts/lib/child.mjs";
import { build, interop } from "./peers.mjs";

/** The path of the program of this package in this version. */
export async function goTool(packagePath, version) {
  const name = basename(packagePath);
  const folder = join(interop, "..", ".tools", "go", `${name}@${version}`);
  const program = join(folder, name);
  if (!existsSync(program)) {
    mkdirSync(folder, { recursive: true });
    const env = { GOBIN: folder, GOFLAGS: process.env.GOFLAGS ?? "-buildvcs=false" };
    await build(`${name} ${version}`, () =>
      run(`go install ${name}`, "go", ["install", `${packagePath}@${version}`], { env }),
    );
  }
  return program;
}
