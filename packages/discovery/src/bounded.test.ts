import assert from "node:assert/strict";
import { stat } from "node:fs/promises";
import { test } from "node:test";
import { systemClock } from "@dubhe/concurrency";
import { bounded } from "./bounded.js";

test("an answer that came while the event loop stood still is in time, although the timer fires first", async () => {
  const { signal } = new AbortController();
  const answer = bounded(systemClock, 20, "stat", signal, () => stat("."));
  const until = systemClock.now() + 150;
  while (systemClock.now() < until); // a long turn: the thread pool answers meanwhile
  assert.ok((await answer).isDirectory());
});

test("no answer in time is a TimeoutError that says what was asked", async () => {
  const { signal } = new AbortController();
  const keep = systemClock.setTimeout(() => undefined, 5_000, { ref: true });
  const silent = bounded(systemClock, 5, "metadata", signal, () => new Promise(() => undefined));
  await assert.rejects(silent, { name: "TimeoutError", message: "metadata: no answer within 5 ms" });
  keep.cancel();
});
