import assert from "node:assert/strict";
import { test } from "node:test";
import { rpcPair, testRuntime, VirtualClock, withLeakCheck } from "@dubhe/testing";
import {
  type HealthCheckResponse,
  Health as HealthService,
  HealthCheckResponse_ServingStatus as Status,
} from "../../gen/grpc/health/v1/health_pb.js";
import { Code } from "../code.js";
import type { RpcError } from "../rpc-error.js";
import { addHealth } from "./add-health.js";
import { Health } from "./health.js";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const shuttingDown = (error: RpcError): boolean =>
  error.code === Code.Unavailable && error.source === "peer" && error.rawMessage === "the server is shutting down";

async function statusOf(watch: AsyncIterator<HealthCheckResponse>): Promise<Status | undefined> {
  return (await watch.next()).value?.status;
}

test(
  "Check: the server as a whole, a service with a status, and NOT_FOUND for all others",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    const health = addHealth(pair.server);
    const client = pair.client(HealthService);
    assert.equal((await client.check({})).status, Status.SERVING);
    await assert.rejects(client.check({ service: "shop.Cart" }), { code: Code.NotFound });
    health.set("shop.Cart", "NOT_SERVING");
    assert.equal((await client.check({ service: "shop.Cart" })).status, Status.NOT_SERVING);
    health.set("shop.Cart", "UNKNOWN");
    assert.equal((await client.check({ service: "shop.Cart" })).status, Status.UNKNOWN);
    assert.equal((await client.check({})).status, Status.SERVING);
    health.reset("shop.Cart");
    await assert.rejects(client.check({ service: "shop.Cart" }), { code: Code.NotFound });
  }),
);

test(
  "List: all that are known",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    const health = addHealth(pair.server);
    health.set("shop.Cart", "NOT_SERVING");
    const watch = pair.client(HealthService).watch({ service: "shop.Stock" });
    assert.equal(await statusOf(watch), Status.SERVICE_UNKNOWN);
    const { statuses } = await pair.client(HealthService).list({});
    assert.deepEqual(
      Object.entries(statuses).map(([name, { status }]) => [name, status]),
      [
        ["", Status.SERVING],
        ["shop.Cart", Status.NOT_SERVING],
      ],
    );
    await watch.return();
  }),
);

test(
  "Watch: SERVICE_UNKNOWN at first, then what the service becomes; a burst is one message; gone again is SERVICE_UNKNOWN",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    const health = addHealth(pair.server);
    const watch = pair.client(HealthService).watch({ service: "shop.Cart" });
    assert.equal(await statusOf(watch), Status.SERVICE_UNKNOWN);
    health.set("shop.Cart", "SERVING");
    assert.equal(await statusOf(watch), Status.SERVING);
    health.set("shop.Cart", "NOT_SERVING").set("shop.Cart", "UNKNOWN").set("shop.Cart", "NOT_SERVING");
    assert.equal(await statusOf(watch), Status.NOT_SERVING);
    health.set("shop.Cart", "SERVING").set("shop.Cart", "NOT_SERVING").reset("shop.Cart");
    assert.equal(await statusOf(watch), Status.SERVICE_UNKNOWN);
    await watch.return();
    while (pair.server.activeCalls > 0) await turn();
  }),
);

test("the application's word counts more than the standard status, until it takes it back", () => {
  const health = new Health(testRuntime().runtime);
  health.set("a", "NOT_SERVING");
  health.setStandard("a", "SERVING").setStandard("b", "SERVING");
  assert.deepEqual(Object.fromEntries(health.all()), { a: "NOT_SERVING", b: "SERVING" });
  health.reset("a").set("b", "UNKNOWN").setStandard("b", undefined);
  assert.deepEqual(Object.fromEntries(health.all()), { a: "SERVING", b: "UNKNOWN" });
  health.reset("b").reset("never");
  assert.deepEqual([health.get("a"), health.get("b"), health.get("never")], ["SERVING", undefined, undefined]);
  assert.throws(() => health.set("a", "SERVICE_UNKNOWN" as "UNKNOWN"), /is "SERVING", "NOT_SERVING" or "UNKNOWN", not/);
});

test("once it leaves, all is NOT_SERVING and nothing changes any more", () => {
  const health = new Health(testRuntime().runtime);
  health.set("a", "SERVING").setStandard("b", "SERVING");
  health.shutDown();
  health.set("a", "SERVING").reset("b").set("c", "SERVING").setStandard("b", undefined);
  assert.deepEqual(Object.fromEntries(health.all()), { a: "NOT_SERVING", b: "NOT_SERVING" });
  health.close();
  health.close();
  assert.deepEqual(Object.fromEntries(health.all()), { a: "NOT_SERVING", b: "NOT_SERVING" });
});

test(
  "close tells the watchers NOT_SERVING, ends them with UNAVAILABLE, and does not wait for them",
  withLeakCheck(async () => {
    const clock = new VirtualClock();
    await using pair = await rpcPair({ clock });
    addHealth(pair.server).set("shop.Cart", "SERVING");
    const watches = ["", "shop.Cart", "nobody"].map((service) => pair.client(HealthService).watch({ service }));
    const first = await Promise.all(watches.map(statusOf));
    assert.deepEqual(first, [Status.SERVING, Status.SERVING, Status.SERVICE_UNKNOWN]);
    // No time passes: had it to wait for the grace, it would not resolve.
    const closed = pair.server.close({ graceMs: 60_000 });
    assert.equal(await statusOf(watches[0] as (typeof watches)[0]), Status.NOT_SERVING);
    assert.equal(await statusOf(watches[1] as (typeof watches)[0]), Status.NOT_SERVING);
    for (const watch of watches) await assert.rejects(watch.next(), shuttingDown);
    await closed;
  }),
);

test("a Watch that begins while the server leaves hears so, and ends with it", async () => {
  const health = new Health(testRuntime().runtime);
  health.set("a", "SERVING");
  const watch = () => health.implementation.watch({ service: "a" })[Symbol.asyncIterator]();
  health.shutDown();
  const leaving = watch();
  assert.equal(await statusOf(leaving), Status.NOT_SERVING);
  const pending = leaving.next();
  health.close();
  await assert.rejects(pending, { code: Code.Unavailable });
  const late = watch();
  assert.equal(await statusOf(late), Status.NOT_SERVING);
  await assert.rejects(late.next(), { code: Code.Unavailable });
  assert.equal((await late.next()).done, true);
});

test("names that nobody knows are kept only while they are watched, and no longer ones than a service can have", async () => {
  const { runtime, clock } = testRuntime();
  const health = new Health(runtime);
  const watch = (service: string) => health.implementation.watch({ service })[Symbol.asyncIterator]();
  watch("begun, but never read, as when an interceptor drops the response");
  const [one, two] = [watch("x"), watch("x")];
  assert.equal(health.size, 0);
  await Promise.all([one.next(), two.next()]);
  assert.equal(health.size, 1);
  const pending = two.next();
  await Promise.all([one.return?.(), two.return?.(), two.return?.()]);
  assert.equal(health.size, 0);
  assert.equal((await pending).done, true);
  assert.throws(() => watch("x".repeat(1025)), { code: Code.InvalidArgument });
  health.set("x".repeat(1025), "SERVING");
  assert.equal(await statusOf(watch("x".repeat(1025))), Status.SERVING);
  await clock.settle();
});

test(
  "a watcher that leaves, a deadline and a lost connection leave nothing behind",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    const health = addHealth(pair.server);
    const client = pair.client(HealthService);
    const left = client.watch({ service: "left" });
    assert.equal(await statusOf(left), Status.SERVICE_UNKNOWN);
    const late = client.watch({ service: "late" }, { timeoutMs: 50 });
    assert.equal(await statusOf(late), Status.SERVICE_UNKNOWN);
    const lost = client.watch({ service: "lost" });
    assert.equal(await statusOf(lost), Status.SERVICE_UNKNOWN);
    assert.equal(health.size, 4);
    await left.return();
    await assert.rejects(late.next(), { code: Code.DeadlineExceeded });
    while (health.size > 2) await turn();
    for (const connection of pair.server.connections) connection.connection.destroy();
    await assert.rejects(lost.next(), { code: Code.Unavailable });
    while (health.size > 1) await turn();
    assert.equal(pair.server.activeCalls, 0);
  }),
);

test(
  "5 000 watchers hear of a change, each of the newest only",
  withLeakCheck(async () => {
    const { runtime, clock } = testRuntime();
    const health = new Health(runtime);
    const heard: number[] = [];
    const watches = Array.from({ length: 5_000 }, () => health.implementation.watch({ service: "a" }));
    for (const watch of watches) {
      void (async () => {
        for await (const { status } of watch) heard.push(status);
      })().catch(() => undefined);
    }
    await clock.settle();
    assert.equal(heard.length, 5_000);
    health.set("a", "SERVING").set("a", "NOT_SERVING");
    await clock.settle();
    assert.deepEqual(
      [heard.length, heard.slice(5_000).every((status) => status === Status.NOT_SERVING)],
      [10_000, true],
    );
    assert.equal(health.size, 1);
    health.close();
    await clock.settle();
    assert.equal(health.size, 1, "a name that was set stays");
  }),
);
