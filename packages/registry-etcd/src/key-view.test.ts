import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { testRuntime } from "@dubhe/testing";
import fc from "fast-check";
import { type Event, Event_EventType, EventSchema, KeyValueSchema } from "../gen/etcd_rpc_pb.js";
import { KeyView } from "./key-view.js";
import { bytesOf } from "./keys.js";

interface Change {
  readonly key: string;
  /** Undefined = deleted. */
  readonly value: string | undefined;
}

const changes = fc.array(
  fc.record({ key: fc.constantFrom("a", "b", "c", "d"), value: fc.option(fc.string(), { nil: undefined }) }),
  { maxLength: 30 },
);

function eventOf({ key, value }: Change, revision: bigint): Event {
  const kv = create(KeyValueSchema, { key: bytesOf(key), value: bytesOf(value ?? ""), modRevision: revision });
  return create(EventSchema, { type: value === undefined ? Event_EventType.DELETE : Event_EventType.PUT, kv });
}

test("property: lists and events in any interleaving end with the newest of each key", () => {
  fc.assert(
    fc.property(changes, fc.array(fc.nat(30), { maxLength: 6 }), fc.nat(30), (history, reads, armedAt) => {
      const { runtime } = testRuntime();
      const view = new KeyView<string>(
        runtime,
        (_key, value) => value,
        () => undefined,
      );
      /** What a server would answer that has done the first `n` changes. */
      const contentAt = (n: number): Map<string, string> => {
        const content = new Map<string, string>();
        for (const { key, value } of history.slice(0, n))
          if (value === undefined) content.delete(key);
          else content.set(key, value);
        return content;
      };
      const load = (n: number): void => {
        const kvs = [...contentAt(n)].map(([key, value]) =>
          create(KeyValueSchema, { key: bytesOf(key), value: bytesOf(value) }),
        );
        view.load(kvs, BigInt(n));
      };
      // The watch is armed at some revision; the first list is of that one or later; further ones may come at any time, but
      // each knows all that was told before.
      const armed = Math.min(armedAt, history.length);
      const readAt = new Set(reads.map((n) => Math.min(armed + n, history.length)));
      const first = Math.min(...readAt, history.length);
      for (let n = armed; n < history.length; n++) {
        if (n === first || (n > first && readAt.has(n))) load(Math.min(history.length, n + 2)); // ahead of the events
        view.apply([eventOf(history[n] as Change, BigInt(n + 1))]);
      }
      if (!view.loaded) load(history.length);
      assert.deepEqual(
        [...view.entries].sort(([a], [b]) => (a < b ? -1 : 1)),
        [...contentAt(history.length)].sort(([a], [b]) => (a < b ? -1 : 1)),
      );
      assert.ok(view.revision <= BigInt(history.length) + 1n);
    }),
  );
});

test("a burst is told twice: its beginning at once, the rest together", async () => {
  const { runtime, clock } = testRuntime();
  const told: number[] = [];
  const view: KeyView<string> = new KeyView(
    runtime,
    (_key, value) => value,
    () => told.push(view.entries.size),
  );
  view.load([], 1n);
  for (let n = 0; n < 500; n++) {
    view.apply([eventOf({ key: `k${n}`, value: "x" }, BigInt(n + 2))]);
    if (n === 0) await clock.settle();
  }
  await clock.advance(100);
  assert.deepEqual(told, [1, 500]);
  view.end();
  assert.equal(clock.pendingTimers, 0);
});
