// docs/tls.md: its commands make certificates, and its programs, one after the other, print what it says.
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Child } from "./lib/child.mjs";

const repository = join(dirname(fileURLToPath(import.meta.url)), "..");
const page = readFileSync(join(repository, "docs", "tls.md"), "utf8");
const blocks = (kind) =>
  [...page.matchAll(new RegExp(`\`\`\`${kind}\\n([\\s\\S]*?)\`\`\``, "g"))].map(([, text]) => text);
const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;

test("the page's commands and programs work as printed", async (t) => {
  if (!hasOpenssl) return t.diagnostic("not tried: there is no openssl here");
  const folder = mkdtempSync(join(tmpdir(), "tls-docs-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const [commands] = blocks("sh");
  await promisify(execFile)("sh", ["-e", "-c", commands], { cwd: folder });
  const [server, client, interceptor] = blocks("js");
  const programs = [interceptor, server.replace("context) {", "context) {\n onlyCart(() => {})({ context });"), client]
    .join("")
    .replaceAll("/etc/tls/", `${folder}/`);
  const child = new Child("tls", process.execPath, ["--input-type=module"], {
    cwd: join(repository, "examples", "first"),
    input: "pipe",
  });
  child.process.stdin.end(`${programs}\nawait client[Symbol.asyncDispose]();\nawait server.close();`);
  const end = await child.wait(30_000);
  assert.equal(child.stdout, blocks("text")[0], child.tail());
  assert.equal(child.stderr, "");
  assert.deepEqual(end, { code: 0, signal: null });
});
