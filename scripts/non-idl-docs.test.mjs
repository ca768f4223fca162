// docs/non-idl.md: its programs, one after the other, print what it says.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Child } from "./lib/child.mjs";

const repository = join(dirname(fileURLToPath(import.meta.url)), "..");
const page = readFileSync(join(repository, "docs", "non-idl.md"), "utf8");
const blocks = (kind) =>
  [...page.matchAll(new RegExp(`\`\`\`${kind}\\n([\\s\\S]*?)\`\`\``, "g"))].map(([, text]) => text);

test("the page's programs print what it says", async () => {
  const names = new Set();
  // One program: what several of them import is imported once.
  const program = blocks("js")
    .join("\n")
    .replace(/^import \{ (.*) \} from "(.*)";$/gm, (_line, list, from) => {
      const fresh = list.split(", ").filter((name) => !names.has(name));
      for (const name of fresh) names.add(name);
      return fresh.length === 0 ? "" : `import { ${fresh.join(", ")} } from "${from}";`;
    });
  const close = "await anything[Symbol.asyncDispose](); await users[Symbol.asyncDispose](); await server.close();";
  const child = new Child("non-idl", process.execPath, ["--input-type=module"], { cwd: repository, input: "pipe" });
  child.process.stdin.end(`${program}\n${close}`);
  const end = await child.wait(30_000);
  assert.equal(child.stdout, blocks("text").join(""), child.tail());
  assert.equal(child.stderr, "");
  assert.deepEqual(end, { code: 0, signal: null });
});
