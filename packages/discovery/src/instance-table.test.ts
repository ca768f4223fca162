import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createInstance, type Instance, instanceKey } from "./instance.js";
import { InstanceTable } from "./instance-table.js";
import type { ListTableOptions } from "./list-table.js";

const options: ListTableOptions = { limboMs: 10_000, emptyPush: "keep-last", emptyPushTtlMs: 60_000 };

function instance(port: number, weight = 100): Instance {
  return createInstance({ application: "shop", host: "h", port, weight });
}

function list(epoch: number, seq: number, ...ports: number[]): Parameters<InstanceTable["apply"]>[0] {
  return { epoch, seq, entries: ports.map((port) => instance(port)), malformed: [] };
}

function ports(table: InstanceTable): readonly number[] {
  return [...table.values()].map((i) => i.port).sort();
}

test("D-07: older lists are dropped, in whichever order they come; equal ones apply", () => {
  const table = new InstanceTable(options);
  assert.equal(table.apply(list(1, 2, 1, 2), 0).kind, "applied");
  assert.deepEqual(table.apply(list(1, 1, 9), 0), { kind: "superseded", reason: "old-seq" });
  assert.equal(table.apply(list(1, 2, 1), 0).kind, "applied", "never equal");
  assert.deepEqual(ports(table), [1]);
  assert.deepEqual(table.apply(list(0, 99, 9), 0), { kind: "superseded", reason: "old-epoch" });
});

test("the first list of a new epoch wins, whatever its seq", () => {
  const table = new InstanceTable(options);
  table.apply(list(1, 1_000_000, 1), 0);
  table.apply(list(2, 1, 1, 2), 0);
  assert.deepEqual(ports(table), [1, 2]);
  assert.equal(table.apply(list(1, 1_000_001, 7), 0).kind, "superseded");
});

test("D-11: what the first list had and the next lacks is removed", () => {
  const table = new InstanceTable(options);
  table.apply(list(1, 1, 1), 0);
  const result = table.apply(list(1, 2, 2), 0);
  assert.ok(result.kind === "applied");
  assert.deepEqual([result.removed, result.upserted.map((i) => i.port)], [["h:1"], [2]]);
});

test("unchanged instances are not reported as changed", () => {
  const table = new InstanceTable(options);
  table.apply(list(1, 1, 1, 2), 0);
  const before = table.get("h:1");
  const result = table.apply({ epoch: 1, seq: 2, entries: [instance(1), instance(2, 50)], malformed: [] }, 0);
  assert.ok(result.kind === "applied");
  assert.deepEqual(
    result.upserted.map((i) => i.port),
    [2],
  );
  assert.equal(table.get("h:1"), before, "the same object");
});

test("what a new session does not list yet stays in limbo for 10 s", () => {
  const table = new InstanceTable(options);
  table.apply(list(1, 1, 1, 2, 3), 0);
  table.apply(list(2, 1, 1), 1_000);
  assert.deepEqual(ports(table), [1, 2, 3]);
  assert.deepEqual(table.kept, { reason: "new-session", count: 2 });
  table.apply(list(2, 2, 1, 2), 5_000);
  assert.deepEqual(ports(table), [1, 2, 3]);
  assert.equal(table.expiresAt, 11_000);
  assert.deepEqual(table.expire(10_999, false).removed, []);
  assert.deepEqual(table.expire(11_000, false).removed, ["h:3"]);
  assert.deepEqual(ports(table), [1, 2]);
  assert.equal(table.kept, undefined);
});

test("limbo does not end while reads fail; the next list decides", () => {
  const table = new InstanceTable(options);
  table.apply(list(1, 1, 1, 2, 3), 0);
  table.apply(list(2, 1, 1), 0);
  assert.deepEqual(table.expire(20_000, true).removed, []);
  const result = table.apply(list(2, 2, 1, 2), 30_000);
  assert.ok(result.kind === "applied");
  assert.deepEqual(result.removed, ["h:3"]);
});

test("what the new session has listed once leaves with the first list that lacks it", () => {
  const table = new InstanceTable(options);
  table.apply(list(1, 1, 1, 2), 0);
  table.apply(list(2, 1, 1, 2), 1_000);
  table.apply(list(2, 2, 1), 2_000);
  assert.deepEqual(ports(table), [1]);
});

test("another new session begins limbo anew", () => {
  const table = new InstanceTable(options);
  table.apply(list(1, 1, 1, 2), 0);
  table.apply(list(2, 1, 1), 0);
  table.apply(list(3, 1, 1), 8_000);
  assert.deepEqual(table.expire(10_000, false).removed, []);
  assert.deepEqual(table.expire(18_000, false).removed, ["h:2"]);
});

test("D-20: an empty list keeps the last good one for its time, then it counts", () => {
  const table = new InstanceTable(options);
  table.apply(list(1, 1, 1, 2), 0);
  assert.equal(table.apply(list(1, 2), 1_000).kind, "kept");
  assert.equal(table.apply(list(1, 3), 40_000).kind, "kept", "another empty list does not prolong it");
  assert.deepEqual(table.kept, { reason: "empty", count: 2 });
  assert.equal(table.expiresAt, 61_000);
  assert.deepEqual(table.expire(61_000, false).removed, ["h:1", "h:2"]);
  assert.equal(table.size, 0);
  assert.equal(table.expiresAt, Infinity);
});

test("D-20: while reads fail, an empty list is not believed; the next empty list after its time is", () => {
  const table = new InstanceTable(options);
  table.apply(list(1, 1, 1), 0);
  table.apply(list(1, 2), 0);
  assert.deepEqual(table.expire(70_000, true).removed, []);
  const result = table.apply(list(1, 3), 80_000);
  assert.ok(result.kind === "applied");
  assert.deepEqual(result.removed, ["h:1"]);
});

test("D-20: a list that is not empty ends the protection at once, and replaces", () => {
  const table = new InstanceTable(options);
  table.apply(list(1, 1, 1, 2), 0);
  table.apply(list(1, 2), 0);
  table.apply(list(1, 3, 3), 100);
  assert.deepEqual(ports(table), [3]);
  assert.equal(table.expiresAt, Infinity);
});

test("D-20: with emptyPush accept, empty means empty at once; a new session's first empty list still leaves limbo", () => {
  const table = new InstanceTable({ ...options, emptyPush: "accept" });
  table.apply(list(1, 1, 1), 0);
  table.apply(list(1, 2), 0);
  assert.equal(table.size, 0);
  table.apply(list(1, 3, 1), 0);
  table.apply(list(2, 1), 0);
  assert.equal(table.size, 1);
  assert.deepEqual(table.expire(10_000, false).removed, ["h:1"]);
});

test("D-25: a list in which nothing can be read is not believed to be empty", () => {
  const table = new InstanceTable(options);
  table.apply(list(1, 1, 1), 0);
  const malformed = [{ id: "h:1", reason: "payload is not JSON" }];
  assert.equal(table.apply({ epoch: 1, seq: 2, entries: [], malformed }, 0).kind, "kept");
  assert.deepEqual(table.malformed, malformed);
});

test("whatever comes, a follower of the changes has what the table has, and no generation goes back", () => {
  const event = fc.record({
    epoch: fc.integer({ min: 1, max: 4 }),
    seq: fc.integer({ min: 1, max: 6 }),
    entries: fc.uniqueArray(fc.record({ port: fc.integer({ min: 1, max: 4 }), weight: fc.constantFrom(50, 100) }), {
      selector: (i) => i.port,
    }),
    after: fc.constantFrom(0, 10, 5_000, 20_000, 70_000),
  });
  fc.assert(
    fc.property(
      fc.array(event, { maxLength: 25 }),
      fc.constantFrom("keep-last" as const, "accept" as const),
      (events, emptyPush) => {
        const table = new InstanceTable({ ...options, emptyPush });
        const follower = new Map<string, Instance>();
        let now = 0;
        let newest = { epoch: -1, seq: -1 };
        const follow = (change: {
          readonly upserted: readonly Instance[];
          readonly removed: readonly string[];
        }): void => {
          for (const key of change.removed) assert.ok(follower.delete(key), `${key} is removed once`);
          for (const upserted of change.upserted) follower.set(instanceKey(upserted), upserted);
        };
        for (const { epoch, seq, entries, after } of events) {
          now += after;
          if (table.expiresAt <= now) follow(table.expire(now, false));
          const older = epoch < newest.epoch || (epoch === newest.epoch && seq < newest.seq);
          const listed = entries.map(({ port, weight }) => instance(port, weight));
          const result = table.apply({ epoch, seq, entries: listed, malformed: [] }, now);
          assert.equal(result.kind === "superseded", older);
          if (!older) newest = { epoch, seq };
          if (result.kind === "applied") {
            follow(result);
            for (const i of listed) assert.ok(table.get(instanceKey(i)) !== undefined, "what is listed is there");
          }
          assert.deepEqual([...follower.values()].sort(byPort), [...table.values()].sort(byPort));
          assert.ok(table.expiresAt > now, "nothing is overdue");
        }
        follow(table.expire(now + 100_000, false));
        assert.equal(table.kept, undefined, "nothing is kept for ever");
        assert.equal(table.expiresAt, Infinity);
      },
    ),
    { numRuns: 500 },
  );
});

function byPort(a: Instance, b: Instance): number {
  return a.port - b.port;
}
