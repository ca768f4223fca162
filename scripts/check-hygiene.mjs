// What must not be committed: paths and hosts of somebody's machine, skipped or focused tests, leftovers.
// Looks at every file of the current directory that git tracks or would track.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";

const code = /\.(?:ts|mts|cts|js|mjs|cjs)$/;
const rules = [
  { what: "a path of one machine", pattern: /(?<![\w.-])\/(?:work|root|home|Users|tmp)\/[\w.-]/ },
  { what: "a leftover", pattern: /\b(?:TODO|FIXME|XXX)\b/ },
  { what: "a skipped or focused test", pattern: /\b(?:it|test|describe|suite|t)\.(?:skip|only|todo)\(/, files: code },
  {
    what: "a skipped or focused test",
    pattern: /\{[^}]*\b(?:skip|only|todo): *(?!false)/,
    files: /\.test\.(?:ts|mjs)$/,
  },
  {
    what: "the address of a package registry or mirror",
    pattern: /"resolved": *"http|^registry *=|\bGOPROXY *=|<mirror>/i,
  },
];
/** Vendored or generated text is not ours to word. */
const ignored = /(?:^|\/)(?:gen|node_modules|dist)\/|(?:^|\/)go\.sum$|^LICENSE$/;
const self = /^scripts\/check(?:-hygiene)?(?:\.test)?\.mjs$/;

const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "-z"], {
  encoding: "utf8",
  maxBuffer: 1 << 26,
})
  .split("\0")
  .filter((f) => f !== "" && !ignored.test(f) && !self.test(f) && existsSync(f));
let found = 0;
for (const file of new Set(files)) {
  const bytes = readFileSync(file);
  if (bytes.includes(0)) continue;
  const lines = bytes.toString("utf8").split("\n");
  for (const rule of rules) {
    if (rule.files !== undefined && !rule.files.test(file)) continue;
    lines.forEach((line, index) => {
      if (!rule.pattern.test(line)) return;
      found += 1;
      console.error(`${file}:${index + 1}: ${rule.what}: ${line.trim().slice(0, 100)}`);
    });
  }
}
if (found > 0) process.exit(1);
