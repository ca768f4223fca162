// What the documents say must be true: the first service runs as printed, links lead somewhere, commands exist.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Child } from "./lib/child.mjs";

const repository = join(dirname(fileURLToPath(import.meta.url)), "..");
const read = (path) => readFileSync(join(repository, path), "utf8");
const readme = read("README.md");
const program = /```js\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";

/** The embedded registry's own port may be in use by others of this machine: the test takes a free one. */
function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

test("the README's first service is examples/first, and has at most 20 lines", () => {
  assert.equal(program, read("examples/first/main.mjs"));
  assert.ok(program.trimEnd().split("\n").length <= 20, program);
});

test("the README's first service runs as printed", async () => {
  const elsewhere = program.replace(
    '{ name: "first" }',
    `{ name: "first", registry: "embedded://127.0.0.1:${await freePort()}" }`,
  );
  assert.notEqual(elsewhere, program, "the registry's port was replaced");
  const child = new Child("first service", process.execPath, ["--enable-source-maps", "--input-type=module"], {
    cwd: join(repository, "examples", "first"),
    input: "pipe",
  });
  child.process.stdin.end(elsewhere);
  const end = await child.wait(30_000);
  assert.equal(child.stdout, "hello world\nand hello Ada\nand hello Linus\n", child.tail());
  assert.equal(child.stderr, "");
  assert.deepEqual(end, { code: 0, signal: null }, "it ends by itself");
});

test("the README's curl lines work as printed", async () => {
  const elsewhere = String(await freePort());
  const moved = (text) => text.replaceAll("50051", elsewhere);
  const server = new Child("serve.mjs", process.execPath, ["--input-type=module"], {
    cwd: join(repository, "examples", "first"),
    input: "pipe",
  });
  try {
    server.process.stdin.end(moved(read("examples/first/serve.mjs")));
    await server.waitFor(/serving at /);
    const lines = readme.match(/^curl .*$/gm);
    const answers = [];
    for (const line of lines) {
      const curl = new Child("curl", "sh", ["-c", moved(line)]);
      assert.deepEqual(await curl.wait(20_000), { code: 0, signal: null }, curl.tail());
      answers.push(curl.stdout);
    }
    assert.deepEqual(answers, ['{"text":"hello curl"}', '{"text":"hello GET"}']);
  } finally {
    server.process.kill();
    await server.exited;
  }
});

test("the program in docs/protocols.md runs as printed", async () => {
  const elsewhere = String(await freePort());
  const text = /```js\n([\s\S]*?)```/.exec(read("docs/protocols.md"))[1].replaceAll("50051", elsewhere);
  const child = new Child("protocols", process.execPath, ["--input-type=module"], {
    cwd: join(repository, "examples", "first"),
    input: "pipe",
  });
  child.process.stdin.end(text);
  const end = await child.wait(30_000);
  assert.equal(child.stdout, "hello JSON by GET\n", child.tail());
  assert.deepEqual(end, { code: 0, signal: null }, "it ends by itself");
});

const children = (folder) => readdirSync(join(repository, folder)).map((name) => `${folder}/${name}`);
const documents = [
  ...["README.md", "CONTRIBUTING.md"],
  ...[...children("docs"), ...children("docs/decisions")].filter((path) => path.endsWith(".md")),
  ...["packages", "interop/peers", "examples"]
    .flatMap(children)
    .concat(["interop", "bench"])
    .map((folder) => `${folder}/README.md`)
    .filter((path) => existsSync(join(repository, path))),
];

test("links between the documents lead somewhere", () => {
  const broken = [];
  for (const path of documents) {
    for (const [, target] of read(path).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      if (!existsSync(join(repository, dirname(path), target))) broken.push(`${path}: ${target}`);
    }
  }
  assert.deepEqual(broken, []);
});

test("the npm commands in the documents exist", () => {
  const { scripts } = JSON.parse(read("package.json"));
  const missing = [];
  for (const path of documents) {
    for (const [, name, start] of read(path).matchAll(/npm (?:run ([\w:-]+)|(start|test)\b)/g)) {
      if (scripts[name ?? start] === undefined) missing.push(`${path}: npm ${name ?? start}`);
    }
  }
  assert.deepEqual([...new Set(missing)], []);
});
