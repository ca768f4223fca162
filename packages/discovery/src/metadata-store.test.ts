import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "@dubhe/testing";
import { createMetadataInfo, type MetadataInfo } from "./metadata-info.js";
import { MetadataStore } from "./metadata-store.js";

function info(n: number): MetadataInfo {
  return createMetadataInfo({ app: "shop", services: [{ name: `a.A${n}` }] });
}

test("D-36: the last 16 revisions stay answerable, whatever their age", () => {
  const clock = new VirtualClock();
  const store = new MetadataStore(clock);
  for (let n = 0; n < 40; n++) {
    store.put(info(n));
    clock.advanceSync(100_000);
  }
  for (let n = 0; n < 40; n++) assert.equal(store.get(info(n).revision) !== undefined, n >= 24, `revision ${n}`);
});

test("D-36: what is younger than a minute stays too, up to a bound", () => {
  const clock = new VirtualClock();
  const store = new MetadataStore(clock);
  for (let n = 0; n < 1000; n++) {
    store.put(info(n));
    clock.advanceSync(50);
  }
  assert.ok(store.get(info(0).revision) !== undefined);
  for (let n = 1000; n < 2000; n++) store.put(info(n));
  assert.ok(store.revisions.length <= 1024);
  assert.ok(store.get(info(1999).revision) !== undefined);
});

test("putting a revision again makes it the newest", () => {
  const clock = new VirtualClock();
  const store = new MetadataStore(clock);
  store.put(info(0));
  clock.advanceSync(100_000);
  for (let n = 1; n < 16; n++) store.put(info(n));
  store.put(info(0));
  clock.advanceSync(100_000);
  store.put(info(16));
  assert.ok(store.get(info(0).revision) !== undefined);
  assert.equal(store.get(info(1).revision), undefined);
});
