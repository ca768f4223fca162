// The layer rule: imports point down. Checks, for every package below packages/ of the current directory:
//  - which packages its source and its tests import (contracts: discovery knows only concurrency, and so on);
//  - that other packages are imported by name, through what they export (the index, seldom more), and relative imports stay
//    inside the package;
//  - that package.json and the tsconfig references say the same as the imports.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { join, relative, resolve, sep } from "node:path";

/** Package folder -> the packages its source may import. A new package is one line here. */
const LAYERS = {
  concurrency: [],
  http2: ["concurrency"],
  rpc: ["concurrency", "http2"],
  discovery: ["concurrency"],
  cluster: ["concurrency", "http2", "discovery", "rpc"],
  "registry-nacos": ["concurrency", "discovery", "rpc"],
  "registry-zookeeper": ["concurrency", "discovery"],
  "registry-etcd": ["concurrency", "discovery", "rpc"],
  hessian2: [],
  "protocol-dubbo": ["concurrency", "hessian2"],
  "non-idl": ["rpc", "hessian2"],
  dubhe: [
    "concurrency",
    "http2",
    "rpc",
    "discovery",
    "cluster",
    "registry-nacos",
    "registry-zookeeper",
    "registry-etcd",
    "hessian2",
    "protocol-dubbo",
  ],
  cli: ["concurrency", "http2", "rpc", "discovery", "dubhe"],
  testing: ["concurrency", "http2", "rpc", "discovery"],
};
/** Core packages have no runtime dependency but these. */
const EXTERNAL = new Set(["@bufbuild/protobuf"]);
/** The libraries of packages that have some; docs/decisions say why. */
const LIBRARIES = {
  dubhe: ["yaml"],
  "non-idl": ["@standard-schema/spec"],
};
/** What tests may import besides: the package `testing` and everything that it may import. */
const TEST_EXTERNAL = new Set(["fast-check", "zod"]);
const TEST_PACKAGES = ["testing", ...LAYERS.testing];

const npmName = (folder) => (folder === "dubhe" ? "dubhe" : `@dubhe/${folder}`);
const folderOf = (name) =>
  name === "dubhe" ? "dubhe" : name.startsWith("@dubhe/") ? name.slice("@dubhe/".length) : undefined;

// A statement begins its line (Biome formats it so), hence no import in a comment or a string counts.
const STATEMENT = /^\s*(?:import|export)\b[^"'`;]*?\bfrom\s*["']([^"']+)["']/gm;
const SIDE_EFFECT = /^\s*import\s*["']([^"']+)["']/gm;
const DYNAMIC = /^(?!\s*(?:\/\/|\*|\/\*)).*?\bimport\(\s*["']([^"']+)["']/gm;

const problems = [];
const readJson = (path) => JSON.parse(readFileSync(path, "utf8"));

function importsOf(file) {
  const text = readFileSync(file, "utf8");
  const found = new Set();
  for (const pattern of [STATEMENT, SIDE_EFFECT, DYNAMIC]) {
    for (const match of text.matchAll(pattern)) found.add(match[1]);
  }
  return found;
}

/** `@scope/name/deep` -> ["@scope/name", "deep"]. */
function split(specifier) {
  const parts = specifier.split("/");
  const length = specifier.startsWith("@") ? 2 : 1;
  return [parts.slice(0, length).join("/"), parts.slice(length).join("/")];
}

/** The subpaths that a package offers; most have only ".". */
const exportsOf = (folder) => {
  const path = join("packages", folder, "package.json");
  return new Set(existsSync(path) ? Object.keys(readJson(path).exports ?? {}) : []);
};

function checkFile(folder, root, file, used) {
  const test = file.endsWith(".test.ts");
  const mayImport = new Set(LAYERS[folder]);
  if (test) for (const p of TEST_PACKAGES) mayImport.add(p);
  const where = relative(process.cwd(), file);
  for (const specifier of importsOf(file)) {
    if (specifier.startsWith(".")) {
      const target = resolve(file, "..", specifier);
      if (!target.startsWith(root + sep))
        problems.push(`${where}: "${specifier}" leaves the package; import it by its name`);
      else if (!test && target.endsWith(".test.js")) problems.push(`${where}: source imports a test, "${specifier}"`);
      continue;
    }
    if (specifier.startsWith("node:") || builtinModules.includes(specifier)) continue;
    const [name, deep] = split(specifier);
    const target = folderOf(name);
    if (target === undefined) {
      const library = EXTERNAL.has(name) || LIBRARIES[folder]?.includes(name);
      const allowed = library || (test && TEST_EXTERNAL.has(name));
      if (!allowed) problems.push(`${where}: "${name}" is no dependency that ${npmName(folder)} may have`);
      else if (library) used[test ? "test" : "source"].add(name);
      continue;
    }
    if (deep !== "" && !exportsOf(target).has(`./${deep}`)) {
      problems.push(`${where}: "${specifier}" reaches inside ${name}; import its index`);
    }
    if (target === folder) problems.push(`${where}: imports its own package by name`);
    else if (!mayImport.has(target)) {
      const allowed = LAYERS[folder].map(npmName).join(", ") || "no other package";
      problems.push(`${where}: ${npmName(folder)} must not import ${name} (its layer knows ${allowed})`);
    }
    used[test ? "test" : "source"].add(name);
  }
}

const referenced = (path) =>
  new Set(
    (existsSync(path) ? (readJson(path).references ?? []) : []).map((r) =>
      r.path.replace(/^\.\.\//, "").replace(/\/tsconfig\.json$/, ""),
    ),
  );

function checkManifest(folder, root, used) {
  const manifest = readJson(join(root, "package.json"));
  const where = `packages/${folder}/package.json`;
  if (manifest.name !== npmName(folder)) problems.push(`${where}: the name should be ${npmName(folder)}`);
  const declared = new Set([
    ...Object.keys(manifest.dependencies ?? {}),
    ...Object.keys(manifest.peerDependencies ?? {}),
  ]);
  for (const name of used.source)
    if (!declared.has(name)) problems.push(`${where}: imports ${name} but does not declare it`);
  if (existsSync(join(root, "gen"))) {
    for (const name of EXTERNAL) used.source.add(name);
    if (!manifest.files?.includes("gen"))
      problems.push(`${where}: "files" lacks "gen", the generated code that the source imports`);
  }
  for (const name of declared)
    if (!used.source.has(name)) problems.push(`${where}: declares ${name} but no source imports it`);
  const sourceRefs = referenced(join(root, "tsconfig.json"));
  const testRefs = referenced(join(root, "tsconfig.test.json"));
  for (const name of used.source) {
    const target = folderOf(name);
    if (target !== undefined && !sourceRefs.has(target))
      problems.push(`packages/${folder}/tsconfig.json: no reference to ${target}`);
  }
  for (const name of used.test) {
    const target = folderOf(name);
    if (target !== undefined && target !== folder && !testRefs.has(target)) {
      problems.push(`packages/${folder}/tsconfig.test.json: no reference to ${target}`);
    }
  }
}

const folders = readdirSync("packages", { withFileTypes: true }).filter(
  (d) => d.isDirectory() && existsSync(`packages/${d.name}/package.json`),
);
for (const { name: folder } of folders) {
  if (LAYERS[folder] === undefined) {
    problems.push(`packages/${folder}: not in the table of scripts/check-layers.mjs; say what it may import`);
    continue;
  }
  const root = resolve("packages", folder);
  const used = { source: new Set(), test: new Set() };
  for (const entry of readdirSync(join(root, "src"), { recursive: true })) {
    if (entry.endsWith(".ts")) checkFile(folder, root, join(root, "src", entry), used);
  }
  checkManifest(folder, root, used);
}
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exit(1);
