import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { EventType } from "./protocol.js";
import { WatchTable } from "./watch-table.js";

const names = (table: WatchTable, type: number, path: string): string[] =>
  table.fire({ type, path }).map((listener) => listener.name);
const listener = (name: string): (() => void) => Object.defineProperty(() => undefined, "name", { value: name });

test("which events are for whom, and what fires once", () => {
  const table = new WatchTable();
  const kinds = (["data", "exist", "child"] as const).map((kind) => [kind, listener(kind)] as const);
  const fill = (): void => {
    for (const [kind, one] of kinds) table.add(kind, "/a", one);
  };
  table.add("recursive", "/", listener("root"));
  table.add("recursive", "/a", listener("below"));
  fill();
  assert.deepEqual(names(table, EventType.created, "/a").sort(), ["below", "data", "exist", "root"]);
  assert.deepEqual(names(table, EventType.created, "/a").sort(), ["below", "root"]);
  fill();
  assert.deepEqual(names(table, EventType.childrenChanged, "/a"), ["child"]);
  assert.deepEqual(names(table, EventType.deleted, "/a").sort(), ["below", "data", "exist", "root"]);
  assert.deepEqual(names(table, EventType.dataChanged, "/ab"), ["root"]);
  assert.deepEqual(names(table, EventType.dataChanged, "/a/b/c").sort(), ["below", "root"]);
});

test("a path with several listeners is one watch of the server, until the last has gone", () => {
  const table = new WatchTable();
  const [one, two] = [listener("one"), listener("two")];
  table.add("data", "/a", one);
  table.add("child", "/a", two);
  assert.equal(table.remove("/a", one), true);
  assert.equal(table.remove("/a", one), false);
  assert.equal(table.has("/a"), true);
  assert.equal(table.remove("/a", two), true);
  assert.equal(table.has("/a"), false);
  assert.equal(table.size, 0);
});

test("a path of another shape than ZooKeeper's is for nobody, and ends", () => {
  const table = new WatchTable();
  table.add("recursive", "/", listener("root"));
  for (const path of ["", "abc"]) assert.deepEqual(names(table, EventType.created, path), []);
});

test("packets hold every path once, and no more bytes than allowed", () => {
  const path = fc.string({ minLength: 1, maxLength: 60 }).map((text) => `/${text.replaceAll("/", "-")}`);
  const kind = fc.constantFrom("data", "exist", "child", "recursive");
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.tuple(kind, path), { selector: String }),
      fc.integer({ min: 80, max: 300 }),
      (all, max) => {
        const table = new WatchTable();
        for (const [k, p] of all) table.add(k, p, listener(""));
        const seen: string[] = [];
        for (const packet of table.packets(max)) {
          let bytes = 0;
          for (const k of ["data", "exist", "child", "recursive"] as const)
            for (const p of packet[k]) {
              seen.push(`${k},${p}`);
              bytes += 4 + Buffer.byteLength(p);
            }
          assert.ok(bytes <= max || Object.values(packet).flat().length === 1);
        }
        assert.deepEqual(seen.sort(), all.map(String).sort());
      },
    ),
  );
});
