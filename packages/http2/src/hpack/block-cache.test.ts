import assert from "node:assert/strict";
import { test } from "node:test";
import { BlockCache, digestOf } from "./block-cache.js";
import { DecodedBlock } from "./decoded-block.js";

/** A block whose octets are its number, holding `size` octets. */
function block(number: number, size: number): { readonly key: Uint8Array; readonly decoded: DecodedBlock } {
  const key = new Uint8Array(4);
  new DataView(key.buffer).setUint32(0, number);
  return { key, decoded: new DecodedBlock([`n${number}`, ""], 0, size, false, undefined) };
}

function offer(cache: BlockCache, { key, decoded }: ReturnType<typeof block>): void {
  cache.offer(key, 0, key.length, digestOf(key, 0, key.length), 7, decoded);
}

function find(cache: BlockCache, key: Uint8Array, version = 7): DecodedBlock | undefined {
  return cache.find(key, 0, key.length, digestOf(key, 0, key.length), version);
}

test("a block is kept from its second offer on, for its version alone", () => {
  const cache = new BlockCache();
  const one = block(1, 40);
  offer(cache, one);
  assert.equal(find(cache, one.key), undefined);
  offer(cache, one);
  assert.equal(find(cache, one.key), one.decoded);
  assert.equal(find(cache, one.key, 8), undefined);
  assert.equal(find(cache, one.key), undefined, "another version clears it");
});

for (const [size, most] of [
  [40, 128],
  [1000, 32],
  [4000, 8],
  [4096, 0],
] as const) {
  test(`of blocks that hold ${size} octets at most ${most} are kept`, () => {
    const cache = new BlockCache();
    const blocks = Array.from({ length: 1000 }, (_, i) => block(i, size));
    for (const each of blocks) {
      offer(cache, each);
      offer(cache, each);
    }
    const kept = blocks.filter(({ key, decoded }) => find(cache, key) === decoded).length;
    assert.ok(kept <= most && (most === 0 || kept > 0), `${kept} are kept`);
  });
}

test("an empty or a very long block is not kept", () => {
  const cache = new BlockCache();
  for (const length of [0, 513]) {
    const each = { key: new Uint8Array(length), decoded: new DecodedBlock([], 0, 0, false, undefined) };
    offer(cache, each);
    offer(cache, each);
    assert.equal(find(cache, each.key), undefined);
  }
});
