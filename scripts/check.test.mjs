// The rules of the house must fail the build when they are broken: each is fed a tree that breaks it, and a clean one.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

const repository = join(dirname(fileURLToPath(import.meta.url)), "..");
const CLEAN = {
  "packages/concurrency/src/index.ts": `export async function work(): Promise<number> {
  return await Promise.resolve(1);
}

export function run<T>(fn: () => T): T {
  return fn();
}

export function now(): number {
  return performance.now() + Date.now();
}
`,
  "packages/http2/src/index.ts": `import { now } from "@dubhe/concurrency";

export const started: number = now();
`,
  "packages/http2/src/index.test.ts": `import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import { started } from "./index.js";

test("it has a time", () => {
  assert.ok(started > 0);
  assert.ok(createServer().listening === false);
});
`,
};

/** File -> source and what must be said of it. */
const HOUSE = {
  "timeout.ts": ["export const t: unknown = setTimeout(() => {}, 1);", /Time comes from Clock/],
  "interval.ts": ["export const t: unknown = setInterval(() => {}, 1);", /Time comes from Clock/],
  "immediate.ts": ["export const t: unknown = setImmediate(() => {});", /Clock\.nextTurn/],
  "microtask.ts": ["queueMicrotask(() => {});\nexport {};", /Clock\.microtask/],
  "tick.ts": ["process.nextTick(() => {});\nexport {};", /Clock\.microtask/],
  "date.ts": ["export const t: number = Date.now();", /Time comes from Clock/],
  "new-date.ts": ["export const t: unknown = new Date();", /Time comes from Clock/],
  "performance.ts": ["export const t: number = performance.now();", /Time comes from Clock/],
  "random.ts": ["export const r: number = Math.random();", /Randomness comes from Random/],
  "global-this.ts": ["export const t: unknown = globalThis.setTimeout(() => {}, 1);", /Time comes from Clock/],
  "timers-promises.ts": ['export { setTimeout } from "node:timers/promises";', /Time comes from Clock/],
  "abort-any.ts": ["export const s: AbortSignal = AbortSignal.any([]);", /leaks listeners/],
  "net.ts": ['import { connect } from "node:net";\nexport const c: unknown = connect;', /Sockets are opened/],
  "tls.ts": ['import { connect } from "node:tls";\nexport const c: unknown = connect;', /Sockets are opened/],
  "h2.ts": ['export const h2: Promise<unknown> = import("node:http2");', /one HTTP\/2 engine/],
  "fetch.ts": ['export const f: Promise<unknown> = fetch("http://127.0.0.1");', /Sockets are opened/],
  "floating-package.ts": [
    'import { work } from "@dubhe/concurrency";\nexport function f(): void {\n  work();\n}',
    /no-floating-promises/,
  ],
  "floating-generic.ts": [
    'import { run, work } from "@dubhe/concurrency";\nexport function f(): void {\n  run(() => work());\n}',
    /no-floating-promises/,
  ],
  "floating-node.ts": [
    'import { writeFile } from "node:fs/promises";\nexport function f(): void {\n  writeFile("a", "b");\n}',
    /no-floating-promises/,
  ],
  "floating-method.ts": [
    "export function f(r: { close(): Promise<void> }): void {\n  r.close();\n}",
    /no-floating-promises/,
  ],
  "floating-dispose.ts": [
    "export function f(r: AsyncDisposable): void {\n  r[Symbol.asyncDispose]();\n}",
    /no-floating-promises/,
  ],
  "floating.test.ts": [
    'import { test } from "node:test";\nimport { work } from "@dubhe/concurrency";\ntest("x", () => {\n  work();\n});',
    /no-floating-promises/,
  ],
  "misused.ts": [
    "export function f(run: (fn: () => void) => void): void {\n  run(async () => await Promise.resolve());\n}",
    /no-misused-promises/,
  ],
};

const LINT = {
  "default-export.ts": ["export default 1;", /noDefaultExport/],
  "enumeration.ts": ["export enum E {\n  a = 1,\n}", /noEnum/],
  "space.ts": ["export namespace N {\n  export const a = 1;\n}", /noNamespace/],
  "CamelCase.ts": ["export {};", /useFilenamingConvention/],
  "long.ts": [`${"// line\n".repeat(601)}export {};`, /noExcessiveLinesPerFile/],
  "focused.test.ts": ['import { test } from "node:test";\ntest.only("x", () => {});', /noFocusedTests/],
};

const LAYERS = {
  "up.ts": ['export { call } from "@dubhe/rpc";', /must not import @dubhe\/rpc/],
  "up-type.ts": ['import type { Call } from "@dubhe/rpc";\nexport type C = Call;', /must not import @dubhe\/rpc/],
  "up-dynamic.ts": ['export const later: Promise<unknown> = import("@dubhe/rpc");', /must not import @dubhe\/rpc/],
  "uses-testing.ts": ['import "@dubhe/testing";', /must not import @dubhe\/testing/],
  "deep.ts": ['import "@dubhe/concurrency/dist/clock.js";', /reaches inside/],
  "sideways.ts": ['export * from "../../concurrency/src/index.js";', /leaves the package/],
  "foreign.ts": [
    'import fc from "fast-check";\nexport const x: unknown = fc;',
    /is no dependency that @dubhe\/http2 may have/,
  ],
  "up.test.ts": ['import "@dubhe/cluster";', /must not import @dubhe\/cluster/],
};

const HYGIENE = {
  "path.ts": [`export const p = "/${"root"}/x";`, /path of one machine/],
  "left.ts": [`// TO${"DO"}: later\nexport {};`, /leftover/],
  "skipped.test.ts": [`import { test } from "node:test";\ntest.${"skip"}("x", () => {});`, /skipped or focused/],
  "option.test.ts": [
    `import { test } from "node:test";\ntest("x", { ${"skip"}: true }, () => {});`,
    /skipped or focused/,
  ],
};

let root = "";

function write(path, text) {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

function manifests(folder, dependencies) {
  const name = `@dubhe/${folder}`;
  const exports = { ".": { types: "./dist/index.d.ts", default: "./dist/index.js" } };
  const needs = Object.fromEntries(dependencies.map((d) => [`@dubhe/${d}`, "0.1.0"]));
  const references = dependencies.map((d) => ({ path: `../${d}` }));
  const base = { extends: "../../tsconfig.base.json", compilerOptions: { rootDir: "src", outDir: "dist" } };
  const json = (value) => `${JSON.stringify(value, undefined, 2)}\n`;
  write(
    `packages/${folder}/package.json`,
    json({ name, version: "0.1.0", type: "module", exports, dependencies: needs }),
  );
  const source = { ...base, include: ["src"], exclude: ["src/**/*.test.ts"], references };
  write(`packages/${folder}/tsconfig.json`, json(source));
  const tests = { ...base, include: ["src/**/*.test.ts"], references: [{ path: "./tsconfig.json" }, ...references] };
  tests.compilerOptions = { ...base.compilerOptions, tsBuildInfoFile: "dist/test.tsbuildinfo" };
  write(`packages/${folder}/tsconfig.test.json`, json(tests));
}

/** Runs one step of `npm run check` in the tree; everything that it said. */
function check(step) {
  const result = spawnSync(process.execPath, [join(repository, "scripts", "check.mjs"), step], {
    cwd: root,
    encoding: "utf8",
  });
  return { ok: result.status === 0, output: result.stdout + result.stderr };
}

/** What was said of one file: the diagnostics that name it, with the lines below each. */
function saidOf(output, file) {
  const lines = output.split("\n");
  return lines
    .flatMap((line, i) => (line.includes(`/${file}`) ? lines.slice(Math.max(0, i - 2), i + 8) : []))
    .join("\n");
}

function breaks(step, cases) {
  test(`${step}: a clean tree passes`, () => {
    const { ok, output } = check(step);
    assert.ok(ok, output);
  });
  test(`${step}: each violation fails`, () => {
    for (const [file, [source]] of Object.entries(cases)) write(`packages/http2/src/${file}`, `${source}\n`);
    try {
      const { ok, output } = check(step);
      assert.equal(ok, false, `${step} passed a tree full of violations`);
      for (const [file, [, expected]] of Object.entries(cases)) {
        assert.match(saidOf(output, file), expected, `${file} went unnoticed:\n${output}`);
      }
    } finally {
      for (const file of Object.keys(cases)) rmSync(join(root, "packages/http2/src", file));
    }
  });
}

describe("npm run check", () => {
  before(() => {
    root = mkdtempSync(join(tmpdir(), "dubhe-check-"));
    for (const file of ["biome.json", ".oxlintrc.json", "tsconfig.base.json", ".gitignore"]) {
      cpSync(join(repository, file), join(root, file));
    }
    const modules = join(repository, "node_modules");
    mkdirSync(join(root, "node_modules", "@dubhe"), { recursive: true });
    for (const entry of readdirSync(modules)) {
      if (entry !== "@dubhe" && entry !== "dubhe") symlinkSync(join(modules, entry), join(root, "node_modules", entry));
    }
    for (const folder of ["concurrency", "http2"]) {
      symlinkSync(join(root, "packages", folder), join(root, "node_modules", "@dubhe", folder));
    }
    write("package.json", '{ "private": true, "type": "module" }\n');
    manifests("concurrency", []);
    manifests("http2", ["concurrency"]);
    const projects = ["concurrency", "http2"].map((folder) => ({ path: `packages/${folder}` }));
    projects.push({ path: "packages/http2/tsconfig.test.json" });
    write("tsconfig.json", `${JSON.stringify({ files: [], references: projects })}\n`);
    for (const [path, text] of Object.entries(CLEAN)) write(path, text);
    execFileSync("git", ["init", "-q"], { cwd: root });
  });
  after(() => rmSync(root, { recursive: true, force: true }));

  breaks("types", { "wrong.ts": ['export const n: number = "text";', /TS2322/] });
  breaks("house", HOUSE);
  breaks("lint", LINT);
  breaks("layers", LAYERS);
  breaks("hygiene", HYGIENE);

  test("format: a badly laid out file fails", () => {
    write("packages/http2/src/ugly.ts", "export  const a:number=1\n");
    try {
      const { ok, output } = check("format");
      assert.equal(ok, false);
      assert.match(output, /ugly\.ts format/);
      assert.doesNotMatch(output, /index\.ts format/);
    } finally {
      rmSync(join(root, "packages/http2/src/ugly.ts"));
    }
  });

  test("layers: an undeclared and an unused dependency, and an unknown package, fail", () => {
    manifests("http2", []);
    manifests("extra", ["concurrency"]);
    try {
      const { ok, output } = check("layers");
      assert.equal(ok, false);
      assert.match(output, /http2\/package\.json: imports @dubhe\/concurrency but does not declare it/);
      assert.match(output, /http2\/tsconfig\.json: no reference to concurrency/);
      assert.match(output, /packages\/extra: not in the table/);
    } finally {
      rmSync(join(root, "packages/extra"), { recursive: true });
      manifests("http2", ["concurrency", "rpc"]);
    }
    const { output } = check("layers");
    assert.match(output, /declares @dubhe\/rpc but no source imports it/);
    manifests("http2", ["concurrency"]);
  });
});
