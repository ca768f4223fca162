import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ChangeLoggedTable } from "./endpoint-table.js";
import { createInstance } from "./instance.js";
import { type EndpointGroup, MergedEndpoints } from "./merged-endpoints.js";
import { createServiceInfo } from "./metadata-info.js";
import type { ResolvedEndpoint } from "./name-state.js";

const service = createServiceInfo({ name: "a.A" });

function endpoint(port: number, weight: number, healthy: boolean, registryId: string): ResolvedEndpoint {
  const instance = createInstance({ application: "shop", host: "h", port, weight, healthy });
  return { key: `h:${port}`, registryId, instance, host: "h", port, service, weight, tag: "", revision: "r" };
}

test("of several at an address the preferred usable one is shown, with the largest usable weight", () => {
  const table = new ChangeLoggedTable();
  const merged = new MergedEndpoints(table);
  const [first, second] = [merged.group("application", 0, true), merged.group("application", 1, true)];
  second.set("b", endpoint(1, 300, true, "b"));
  assert.deepEqual([table.get("h:1")?.registryId, table.get("h:1")?.others], ["b", undefined]);
  first.set("a", endpoint(1, 50, true, "a"));
  assert.deepEqual([table.get("h:1")?.registryId, table.get("h:1")?.weight], ["a", 300]);
  assert.deepEqual(
    table.get("h:1")?.others?.map(({ registryId }) => registryId),
    ["b"],
  );
  first.set("a", endpoint(1, 50, false, "a"));
  assert.deepEqual([table.get("h:1")?.registryId, table.get("h:1")?.weight], ["b", 300]);
  const { gen } = table;
  first.set("a", endpoint(2, 50, true, "a"));
  assert.deepEqual(
    table
      .values()
      .map(({ key }) => key)
      .sort(),
    ["h:1", "h:2"],
    "it moved",
  );
  second.delete("b");
  const delta = table.changesSince(gen);
  assert.ok(delta !== "full");
  assert.deepEqual([delta.removed, delta.upserted.map(({ key }) => key)], [["h:1"], ["h:2"]]);
});

test("whatever is set, deleted, shown and hidden: the table is what the shown groups have, each address once", () => {
  const step = fc.record({
    group: fc.nat(2),
    do: fc.constantFrom("set", "set", "delete", "show", "hide"),
    origin: fc.nat(3),
    port: fc.integer({ min: 1, max: 3 }),
    weight: fc.constantFrom(0, 10, 100),
    healthy: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const table = new ChangeLoggedTable();
      const merged = new MergedEndpoints(table);
      const groups = [0, 1, 2].map((n) => merged.group("application", n, n > 0)) as EndpointGroup[];
      const model = groups.map(() => new Map<number, ResolvedEndpoint>());
      const follower = new Map<string, ResolvedEndpoint>();
      let gen = 0;
      for (const { group: n, do: what, origin, port, weight, healthy } of steps) {
        const [group, own] = [groups[n], model[n]];
        assert.ok(group !== undefined && own !== undefined);
        if (what === "set") {
          const value = endpoint(port, weight, healthy, String(n));
          group.set(String(origin), value);
          own.set(origin, value);
        } else if (what === "delete") {
          group.delete(String(origin));
          own.delete(origin);
        } else group.show(what === "show");
        const largest = new Map<string, number>();
        for (const { key, weight: w, instance } of own.values())
          largest.set(key, Math.max(largest.get(key) ?? 0, instance.healthy ? w : 0));
        assert.equal(group.size, largest.size, "each address of a group counts once");
        assert.equal(
          group.weight,
          [...largest.values()].reduce((sum, w) => sum + w, 0),
        );
        const shown = model.flatMap((values, at) => (groups[at]?.shown ? [...values.values()] : []));
        assert.deepEqual(
          table
            .values()
            .map(({ key }) => key)
            .sort(),
          [...new Set(shown.map(({ key }) => key))].sort(),
        );
        for (const { key, weight: merges, others = [] } of table.values()) {
          const here = shown.filter((one) => one.key === key);
          assert.equal(others.length, here.length - 1);
          const usable = here.filter(({ instance, weight: w }) => instance.healthy && w > 0).map(({ weight: w }) => w);
          if (usable.length > 0) assert.equal(merges, Math.max(...usable));
        }
        const delta = table.changesSince(gen);
        assert.ok(delta !== "full");
        gen = delta.gen;
        for (const key of delta.removed) follower.delete(key);
        for (const value of delta.upserted) follower.set(value.key, value);
        assert.deepEqual(
          [...follower.values()].map(({ key }) => key).sort(),
          table
            .values()
            .map(({ key }) => key)
            .sort(),
        );
        for (const value of table.values()) assert.equal(follower.get(value.key), value, "the change log tells all");
      }
    }),
  );
});
