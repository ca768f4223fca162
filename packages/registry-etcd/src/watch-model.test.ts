import assert from "node:assert/strict";
import { test } from "node:test";
import { testRuntime } from "@dubhe/testing";
import fc from "fast-check";
import { type Event, Event_EventType } from "../gen/etcd_rpc_pb.js";
import { newCounters } from "./counters.js";
import { Endpoints } from "./endpoints.js";
import { EtcdClient } from "./etcd-client.js";
import { bytesOf, prefixEnd, textOf } from "./keys.js";
import { Login } from "./login.js";
import { pagedRange } from "./paged-range.js";
import { FakeEtcd } from "./test-support/fake-etcd.js";
import { WatchHub } from "./watch-hub.js";

const ADDRESSES = ["a:2379", "b:2379"];
const PREFIX = "/in/";
const NEVER = new AbortController().signal;

type Step =
  | { readonly kind: "change"; readonly keys: readonly { readonly key: string; readonly put: boolean }[] }
  | { readonly kind: "wait"; readonly ms: number }
  | { readonly kind: "down" | "up" | "freeze" | "thaw"; readonly at: number }
  | { readonly kind: "break" | "cancel" | "progress" | "compact" | "fragments" | "tokens" | "watch" | "unwatch" };

const key = fc.constantFrom("/in/a", "/in/b", "/in/c", "/out/a");
const at = fc.nat(1);
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant("change" as const),
        keys: fc.array(fc.record({ key, put: fc.boolean() }), { minLength: 1, maxLength: 4 }),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.constantFrom(1, 3, 20, 400, 7_000) }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("down", "up", "freeze", "thaw"), at }) },
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constantFrom("break", "cancel", "progress", "compact", "fragments", "tokens", "watch", "unwatch"),
      }),
    },
  ),
  { maxLength: 40 },
);

interface Seen {
  /** `revision key put|delete`, as they were told. */
  readonly told: string[];
  /** Told since the newest list, or the beginning, whose revision `from` is. */
  from: bigint;
  content: Map<string, string>;
}

function say(event: Event): string {
  const kind = event.type === Event_EventType.DELETE ? "delete" : "put";
  return `${event.kv?.modRevision} ${textOf(event.kv?.key ?? new Uint8Array())} ${kind}`;
}

/** Whatever happens: each change is told once and in order, or is in a list that was read afterwards; none is lost. */
async function run(script: readonly Step[], seed: number): Promise<void> {
  const { runtime, clock, reports } = testRuntime({ seed });
  const etcd = new FakeEtcd(runtime);
  etcd.users.set("root", "s3cret");
  etcd.fragmentEvents = 1 + (seed % 3);
  const history: { readonly revision: bigint; readonly said: string }[] = [];
  etcd.store.onChange((revision, events) => {
    for (const event of events)
      if (textOf(event.kv?.key ?? new Uint8Array()).startsWith(PREFIX)) history.push({ revision, said: say(event) });
  });
  const counters = newCounters();
  const lost: Error[] = [];
  const client: EtcdClient = new EtcdClient(runtime, {
    transport: etcd,
    endpoints: new Endpoints(
      ADDRESSES.map((address) => ({ host: address[0] ?? "", port: 2379 })),
      runtime.random,
    ),
    counters,
    login: new Login(runtime, { username: "root", password: "s3cret" }),
    ttlMs: 3_600_000,
    timeoutMs: 3_000,
    onUp: (link) => hub.attach(link),
    onDown: (reason) => hub.detach(reason),
    onLost: (reason) => lost.push(reason),
  });
  const hub: WatchHub = new WatchHub(runtime, client, { counters, pulseMs: 5_000 });
  const bounds = { key: bytesOf(PREFIX), rangeEnd: prefixEnd(PREFIX) };

  const start = (): { readonly seen: Seen; readonly end: AbortController } => {
    const seen: Seen = { told: [], from: -1n, content: new Map() };
    const end = new AbortController();
    const read = async (signal: AbortSignal): Promise<bigint> => {
      const { kvs, revision } = await pagedRange(client, bounds.key, bounds.rangeEnd, signal, { page: 2n });
      seen.content = new Map(kvs.map((kv) => [textOf(kv.key), textOf(kv.value)]));
      seen.told.length = 0;
      seen.from = revision;
      return revision;
    };
    const spec = {
      ...bounds,
      onEvents: (events: readonly Event[]) => {
        assert.ok(!end.signal.aborted, "told after the end");
        for (const event of events) {
          seen.told.push(say(event));
          if (seen.from < 0n) seen.from = (event.kv?.modRevision ?? 0n) - 1n;
        }
      },
      relist: read,
    };
    void hub.watch(spec, end.signal).then(
      (watcher) => {
        if (end.signal.aborted) hub.unwatch(watcher);
        else end.signal.addEventListener("abort", () => hub.unwatch(watcher));
      },
      () => undefined,
    );
    return { seen, end };
  };

  const opening = client.open(NEVER);
  await clock.advance(100);
  await opening;
  const first = start();
  await clock.advance(100);
  first.seen.from = etcd.store.revision;
  let other: ReturnType<typeof start> | undefined;
  for (const step of script) {
    const address = "at" in step ? (ADDRESSES[step.at] ?? "") : "";
    const links = [...etcd.links];
    if (step.kind === "change")
      etcd.store.change(new Map(step.keys.map((change) => [change.key, change.put ? "x" : undefined])));
    else if (step.kind === "wait") await clock.advance(step.ms);
    else if (step.kind === "down") etcd.kill(address);
    else if (step.kind === "up") etcd.start(address);
    else if (step.kind === "freeze") etcd.freeze(address);
    else if (step.kind === "thaw") etcd.thaw(address);
    else if (step.kind === "break") etcd.breakLinks();
    else if (step.kind === "cancel") for (const link of links) link.cancelWatches();
    else if (step.kind === "progress") for (const link of links) link.tellProgress();
    else if (step.kind === "compact") etcd.store.compact();
    else if (step.kind === "fragments") etcd.fragmentEvents = etcd.fragmentEvents === 1 ? 100 : 1;
    else if (step.kind === "tokens") etcd.tokens.clear();
    else if (step.kind === "watch") other ??= start();
    else {
      other?.end.abort(new Error("not wanted any more"));
      other = undefined;
    }
  }
  for (const address of ADDRESSES) etcd.start(address);
  await clock.advance(60_000);
  etcd.store.change(new Map([["/in/last", "x"]]));
  await clock.advance(1_000);

  for (const { seen } of other === undefined ? [first] : [first, other]) {
    const expected = history.filter(({ revision }) => revision > seen.from).map(({ said }) => said);
    assert.deepEqual(seen.told, expected);
  }
  assert.deepEqual(lost, []);
  assert.deepEqual(reports, []);
  assert.equal(etcd.counts().watches, other === undefined ? 1 : 2, "watches at the server");
  const closed = Promise.all([hub.close(), client.close()]);
  await clock.advance(5_000);
  await closed;
  assert.equal(etcd.links.size, 0, "connections");
  etcd.close();
  await clock.advance(5_000);
  assert.equal(clock.pendingTimers, 0, "timers");
}

test("model: no change is lost or doubled, whatever happens to connections, members, watches and the history", async () => {
  await fc.assert(fc.asyncProperty(steps, fc.nat(1_000), run), { numRuns: 150 });
});
