import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { hashOf } from "./random.mjs";

const folder = new URL("../regressions/", import.meta.url);

/** Inputs that once failed: text files, the reason behind `#`, the bytes in hex. */
export function regressionsOf(target) {
  const own = new URL(`${target}/`, folder);
  if (!existsSync(own)) return [];
  return readdirSync(own)
    .filter((name) => name.endsWith(".hex"))
    .sort()
    .map((name) => ({ name, input: parseHex(readFileSync(new URL(name, own), "utf8")) }));
}

export function saveFinding(target, input, reason) {
  const own = new URL(`${target}/`, folder);
  mkdirSync(own, { recursive: true });
  const name = `${hashOf(input).toString(16).padStart(8, "0")}.hex`;
  const hex = Buffer.from(input)
    .toString("hex")
    .replace(/(.{100})/g, "$1\n");
  writeFileSync(new URL(name, own), `# ${reason.replaceAll("\n", " ").slice(0, 200)}\n${hex}\n`);
  return `fuzz/regressions/${target}/${name}`;
}

export function parseHex(text) {
  return new Uint8Array(Buffer.from(text.replace(/#.*$/gm, "").replace(/\s+/g, ""), "hex"));
}
