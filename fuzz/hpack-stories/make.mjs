// Records the stories with other implementations' encoders, and lets x/net's decoder read what ours wrote.
// Needs Go, and a Python that has the package hpack (`PYTHON=…`, default python3). Usage: node fuzz/hpack-stories/make.mjs
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { HpackEncoder } from "../../packages/http2/dist/hpack/encoder.js";
import { HeaderTemplate } from "../../packages/http2/dist/types.js";
import { story, storyNames } from "./stories.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const run = (command, args, blocks) =>
  JSON.parse(execFileSync(command, args, { cwd: here, input: JSON.stringify(blocks), maxBuffer: 1 << 26 }));
const python = process.env.PYTHON ?? "python3";

mkdirSync(new URL("recorded/", import.meta.url), { recursive: true });
for (const name of storyNames) {
  const blocks = story(name);
  const recorded = {
    "x-net": run("go", ["run", ".", "encode"], blocks),
    "python-huffman": run(python, ["encode.py", "huffman"], blocks),
    "python-plain": run(python, ["encode.py", "plain"], blocks),
  };
  for (const [encoder, coded] of Object.entries(recorded)) {
    // The fields are made again from the seed: only the octets are kept.
    const wires = coded.map(({ wire }) => wire);
    writeFileSync(new URL(`recorded/${name}.${encoder}.json`, import.meta.url), `${JSON.stringify(wires, null, 2)}\n`);
  }
  readByOthers(name, blocks);
}

/** Ours: half of the fields as a template, which the table remembers, half beside it. */
function readByOthers(name, blocks) {
  const encoder = new HpackEncoder();
  const templates = new Map();
  const coded = blocks.map(({ tableSize, fields }) => {
    if (tableSize !== undefined) encoder.setPeerMaxTableSize(tableSize);
    const flat = fields.flatMap((field) => [field.name, field.value]);
    const key = flat.slice(0, 8).join("\0");
    if (!templates.has(key)) templates.set(key, new HeaderTemplate(flat.slice(0, 8)));
    const extra = flat.slice(8);
    const out = new Uint8Array(encoder.bound(templates.get(key), extra));
    const wire = Buffer.from(out.subarray(0, encoder.encode(templates.get(key), extra, out, 0))).toString("hex");
    return { ...(tableSize === undefined ? {} : { tableSize }), fields: [], wire };
  });
  for (const [i, { fields }] of run("go", ["run", ".", "decode"], coded).entries()) {
    const plain = (list) => list.map((field) => [field.name, field.value]);
    assert.deepEqual(plain(fields), plain(blocks[i].fields), `${name} ${i}`);
    const secret = fields.filter((field) => ["authorization", "cookie", "set-cookie"].includes(field.name));
    assert.ok(
      secret.every((field) => field.sensitive),
      "credentials are never indexed",
    );
  }
  console.log(`ok ${name}: ${coded.length} blocks of ours read by x/net`);
}
