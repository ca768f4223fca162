import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ChangeLoggedTable } from "./endpoint-table.js";
import { createInstance } from "./instance.js";
import { createServiceInfo } from "./metadata-info.js";
import type { ResolvedEndpoint } from "./name-state.js";

const service = createServiceInfo({ name: "a" });

function endpoint(key: string, weight: number): ResolvedEndpoint {
  const instance = createInstance({ application: "shop", host: key, port: 1, weight });
  return { key, registryId: "r", instance, host: key, port: 1, service, weight, tag: "", revision: "1" };
}

type Step =
  | { readonly op: "set"; readonly key: string; readonly weight: number }
  | { readonly op: "delete"; readonly key: string }
  | { readonly op: "read" };

const key = fc.constantFrom("a", "b", "c", "d", "e");
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ op: fc.constant("set" as const), key, weight: fc.nat(3) }),
  fc.record({ op: fc.constant("delete" as const), key }),
  fc.record({ op: fc.constant("read" as const) }),
);

test("a reader that follows changesSince always has what the table has", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 8 }), (steps, logSize) => {
      const table = new ChangeLoggedTable(logSize);
      const model = new Map<string, ResolvedEndpoint>();
      const replica = new Map<string, ResolvedEndpoint>();
      let seen = 0;
      for (const s of [...steps, { op: "read" } as const]) {
        if (s.op === "set") {
          const value = endpoint(s.key, s.weight);
          table.set(value);
          model.set(s.key, value);
        } else if (s.op === "delete") {
          assert.equal(table.delete(s.key), model.delete(s.key));
        } else {
          const delta = table.changesSince(seen);
          if (delta === "full") {
            replica.clear();
            for (const value of table.values()) replica.set(value.key, value);
          } else {
            assert.equal(delta.gen, table.gen);
            for (const removed of delta.removed) replica.delete(removed);
            for (const value of delta.upserted) replica.set(value.key, value);
            const named = [...delta.removed, ...delta.upserted.map((value) => value.key)];
            assert.equal(new Set(named).size, named.length, "each key once");
          }
          seen = table.gen;
          assert.deepEqual([...replica].sort(), [...model].sort());
        }
        assert.equal(table.size, model.size);
        for (const [k, value] of model) assert.equal(table.get(k), value);
        const listed = Array.from({ length: table.size }, (_, at) => table.at(at));
        assert.deepEqual(new Set(listed), new Set(model.values()), "no hole, none twice");
      }
    }),
    { numRuns: 300 },
  );
});

test("held, it shows what it had and how it came to it; shown again, all that was written meanwhile at once", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), fc.array(step, { maxLength: 20 }), (first, second) => {
      const [table, twin] = [new ChangeLoggedTable(8), new ChangeLoggedTable(8)];
      const write = (steps: readonly Step[], into: readonly ChangeLoggedTable[]): void => {
        for (const s of steps) {
          const value = s.op === "set" ? endpoint(s.key, s.weight) : undefined;
          for (const one of into) {
            if (value !== undefined) one.set(value);
            else if (s.op === "delete") one.delete(s.key);
          }
        }
      };
      write(first, [table, twin]);
      const read = (of: ChangeLoggedTable): unknown => [
        of.gen,
        of.size,
        of.values(),
        of.at(0),
        of.get("a"),
        Array.from({ length: of.gen + 2 }, (_, gen) => of.changesSince(gen)),
      ];
      const before = read(table);
      table.hold();
      write(second.slice(0, 10), [table, twin]);
      table.hold();
      write(second.slice(10), [table, twin]);
      assert.deepEqual(read(table), before);
      for (const k of ["a", "b", "c", "d", "e"]) assert.equal(table.written(k)?.weight, twin.get(k)?.weight);
      table.show();
      table.show();
      assert.deepEqual(read(table), read(twin));
      write(first, [table, twin]);
      assert.deepEqual(read(table), read(twin));
    }),
    { numRuns: 300 },
  );
});

test("a generation beyond the log, or of the future, is answered with full", () => {
  const table = new ChangeLoggedTable(2);
  for (const k of ["a", "b", "c"]) table.set(endpoint(k, 1));
  assert.equal(table.changesSince(0), "full");
  assert.equal(table.changesSince(4), "full");
  assert.deepEqual(table.changesSince(3), { gen: 3, upserted: [], removed: [] });
  const delta = table.changesSince(1);
  assert.ok(delta !== "full");
  assert.deepEqual(delta.upserted.map((e) => e.key).sort(), ["b", "c"]);
});
