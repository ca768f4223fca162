import assert from "node:assert/strict";
import { test } from "node:test";
import { testRuntime } from "@dubhe/testing";
import fc from "fast-check";
import {
  type HealthCheckResponse,
  HealthCheckResponse_ServingStatus as Status,
} from "../../gen/grpc/health/v1/health_pb.js";
import { Health, type ServingStatus } from "./health.js";

const names = ["", "a"] as const;
const statuses = ["SERVING", "NOT_SERVING", "UNKNOWN"] as const;

/** What Health should hold, told in the plainest way, with all that ever held. */
class Model {
  readonly chosen = new Map<string, ServingStatus>();
  readonly standard = new Map<string, ServingStatus>();
  readonly history = new Map<string, Status[]>(names.map((name) => [name, [Status.SERVICE_UNKNOWN]]));
  leaving = false;

  now(name: string): Status {
    const status = this.chosen.get(name) ?? this.standard.get(name);
    if (status === undefined) return Status.SERVICE_UNKNOWN;
    return this.leaving ? Status.NOT_SERVING : Status[status];
  }

  change(fn: () => void): void {
    fn();
    for (const name of names) this.history.get(name)?.push(this.now(name));
  }
}

class Watcher {
  readonly name: string;
  readonly since: number;
  readonly heard: Status[] = [];
  readonly iterator: AsyncIterator<HealthCheckResponse>;
  reading = false;
  end: "open" | "left" | "closed" = "open";

  constructor(name: string, since: number, iterator: AsyncIterator<HealthCheckResponse>) {
    this.name = name;
    this.since = since;
    this.iterator = iterator;
  }

  read(): void {
    if (this.reading || this.end !== "open") return;
    this.reading = true;
    this.iterator.next().then(
      ({ done, value }) => {
        this.reading = false;
        if (done) assert.equal(this.end, "left");
        else this.heard.push((value as HealthCheckResponse).status);
      },
      () => {
        this.reading = false;
        this.end = "closed";
      },
    );
  }

  leave(): void {
    if (this.end !== "open") return;
    this.end = "left";
    void this.iterator.return?.();
  }
}

/** Whether `heard` can have been read off `history` in order: no value comes after one that is newer. */
function isInOrder(heard: readonly Status[], history: readonly Status[]): boolean {
  let at = 0;
  for (const status of heard) {
    const found = history.indexOf(status, at);
    if (found < 0) return false;
    at = found;
  }
  return true;
}

const command = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("set"),
      name: fc.constantFrom(...names),
      status: fc.constantFrom(...statuses),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("reset"), name: fc.constantFrom(...names) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("standard"),
      name: fc.constantFrom(...names),
      status: fc.constantFrom(...statuses, undefined),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("watch"), name: fc.constantFrom(...names) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("read"), watcher: fc.nat(7) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("leave"), watcher: fc.nat(7) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("settle") }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("shutDown", "close") }) },
) as fc.Arbitrary<{ kind: string; name: string; status: ServingStatus; watcher: number }>;

test("whatever happens, a watcher hears no older status after a newer one, none twice, and the newest in the end", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 10, maxLength: 50 }), async (commands) => {
      const { runtime, clock, reports } = testRuntime();
      const health = new Health(runtime);
      const model = new Model();
      const watchers: Watcher[] = [];
      let closed = false;
      const open = (): boolean => !model.leaving;
      for (const { kind, name, status, watcher } of commands) {
        switch (kind) {
          case "set":
            health.set(name, status);
            if (open()) model.change(() => model.chosen.set(name, status));
            break;
          case "reset":
            health.reset(name);
            if (open()) model.change(() => model.chosen.delete(name));
            break;
          case "standard":
            health.setStandard(name, status);
            if (open())
              model.change(() =>
                status === undefined ? model.standard.delete(name) : model.standard.set(name, status),
              );
            break;
          case "watch": {
            const since = (model.history.get(name) as Status[]).length - 1;
            watchers.push(new Watcher(name, since, health.implementation.watch({ service: name })));
            break;
          }
          case "read":
            watchers[watcher % watchers.length]?.read();
            for (let i = 0; i < 5; i++) await null; // the continuations of a next() that needs no turn
            break;
          case "leave":
            watchers[watcher % watchers.length]?.leave();
            break;
          case "shutDown":
            health.shutDown();
            model.change(() => (model.leaving = true));
            break;
          case "close":
            health.close();
            model.change(() => (model.leaving = true));
            closed = true;
            break;
          case "settle":
            await clock.settle();
            for (const one of watchers)
              if (one.reading) assert.equal(one.heard.at(-1), model.now(one.name), "who waits knows the newest");
            break;
        }
        for (const one of names)
          assert.equal(Status[health.get(one) ?? "SERVICE_UNKNOWN"], model.now(one), `status of "${one}"`);
      }
      // All read until nothing comes any more.
      for (let round = 0; round < 4; round++) {
        for (const one of watchers) one.read();
        await clock.settle();
      }
      for (const one of watchers) {
        const history = (model.history.get(one.name) as Status[]).slice(one.since);
        assert.ok(isInOrder(one.heard, history), `heard ${one.heard.join()} of ${history.join()}`);
        for (let i = 1; i < one.heard.length; i++) assert.notEqual(one.heard[i], one.heard[i - 1], "heard twice");
        if (one.end === "left") continue;
        assert.equal(one.heard.at(-1), model.now(one.name), "the newest");
        assert.equal(one.end, closed ? "closed" : "open");
      }
      for (const one of watchers) one.leave();
      assert.equal(health.size, health.all().size, "no entry is left of names that only were watched");
      assert.deepEqual(reports, []);
    }),
    { numRuns: 1_000 },
  );
});
