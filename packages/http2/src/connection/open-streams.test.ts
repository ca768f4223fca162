import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Http2Stream } from "./http2-stream.js";
import { OpenStreams } from "./open-streams.js";

const stream = (id: number): Http2Stream => ({ id }) as Http2Stream;

test("whatever is added and deleted, it holds what a Map holds", () => {
  // Ids that collide in small tables, too: a peer may choose them.
  const id = fc
    .oneof(
      fc.integer({ min: 0, max: 200 }),
      fc.integer({ min: 0, max: 40 }).map((n) => n * 64),
    )
    .map((n) => 2 * n + 1);
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), id), { maxLength: 300 }), (steps) => {
      const table = new OpenStreams();
      const model = new Map<number, Http2Stream>();
      for (const [add, streamId] of steps) {
        if (add && !model.has(streamId)) {
          const one = stream(streamId);
          table.add(streamId, one);
          model.set(streamId, one);
        } else {
          table.delete(streamId);
          model.delete(streamId);
        }
        assert.equal(table.size, model.size);
        assert.equal(table.get(streamId), model.get(streamId));
      }
      for (const [key, value] of model) assert.equal(table.get(key), value);
      const byId = (a: Http2Stream, b: Http2Stream): number => a.id - b.id;
      assert.deepEqual(table.values().sort(byId), [...model.values()].sort(byId));
    }),
    { numRuns: 500, seed: 1 },
  );
});

test("streams may be deleted while one goes through the values", () => {
  const table = new OpenStreams();
  for (let id = 1; id < 200; id += 2) table.add(id, stream(id));
  for (const { id } of table.values()) table.delete(id);
  assert.equal(table.size, 0);
  assert.deepEqual(table.values(), []);
});
