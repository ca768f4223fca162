// The HPACK stories: blocks that other implementations' encoders wrote, decoded by ours (hpack-stories/make.mjs records
// them; nghttp2, through node:http2, is in packages/http2/src/hpack/nghttp2.test.ts).
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { HpackDecoder } from "../packages/http2/dist/hpack/decoder.js";
import { HpackEncoder } from "../packages/http2/dist/hpack/encoder.js";
import { HeaderTemplate } from "../packages/http2/dist/types.js";
import { story, storyNames } from "./hpack-stories/stories.mjs";
import { NaiveHpackDecoder } from "./lib/naive-hpack.mjs";

const flat = ({ fields }) => fields.flatMap(({ name, value }) => [name, value]);

for (const name of storyNames) {
  for (const encoder of ["x-net", "python-huffman", "python-plain"]) {
    test(`${name}, encoded by ${encoder}`, () => {
      const wires = JSON.parse(
        readFileSync(new URL(`hpack-stories/recorded/${name}.${encoder}.json`, import.meta.url)),
      );
      const blocks = story(name);
      assert.equal(wires.length, blocks.length);
      const decoder = new HpackDecoder();
      for (const [i, block] of blocks.entries()) {
        if (block.tableSize !== undefined) decoder.setMaxTableSize(block.tableSize);
        const decoded = decoder.decode(new Uint8Array(Buffer.from(wires[i], "hex")));
        assert.deepEqual(decoded.fields, flat(block), `block ${i}`);
        assert.equal(decoded.malformed, undefined);
      }
    });
  }

  test(`${name}, encoded by us, read by a naive decoder`, () => {
    const encoder = new HpackEncoder();
    const decoder = new NaiveHpackDecoder();
    const templates = new Map();
    for (const block of story(name)) {
      if (block.tableSize !== undefined) {
        encoder.setPeerMaxTableSize(block.tableSize);
        decoder.setMaxTableSize(block.tableSize);
      }
      const fields = flat(block);
      const key = fields.slice(0, 8).join("\0");
      if (!templates.has(key)) templates.set(key, new HeaderTemplate(fields.slice(0, 8)));
      const extra = fields.slice(8);
      const out = new Uint8Array(encoder.bound(templates.get(key), extra));
      const end = encoder.encode(templates.get(key), extra, out, 0);
      assert.deepEqual(decoder.decode(out.subarray(0, end)).flat(), fields);
    }
  });
}
