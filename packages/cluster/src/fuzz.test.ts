import assert from "node:assert/strict";
import { test } from "node:test";
import { Pool } from "@dubhe/rpc";
import { FakeCall, FakeNetwork, FakeServiceView, testRuntime } from "@dubhe/testing";
import fc from "fast-check";
import { balancers } from "./balancer/balancers.js";
import { ClusterChannel } from "./cluster-channel.js";

const ADDRESSES = ["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"];

const which = fc.nat(50);
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("open" as const),
      wait: fc.boolean(),
      control: fc.boolean(),
      channel: fc.nat(1),
      count: fc.integer({ min: 1, max: 5 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom("finish", "finish", "refuse", "answer", "leave"), which }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("ready" as const), which, limit: fc.constantFrom(0, 1, 2, 5, 20) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("limit" as const), which, limit: fc.constantFrom(0, 1, 2, 5, 20) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("goaway" as const), which, last: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("break" as const), which }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("pong" as const), which }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("put", "remove", "ill"), which }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("negative", "failed"), which }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("time" as const),
      ms: fc.constantFrom(0, 10, 100, 1000, 3000, 40_000, 400_000),
    }),
  },
);

/**
 * Two channels over one pool, peers and a registry that do anything in any order. FakeCall throws when a channel starts,
 * fails or replays a call that it must not.
 */
test("any order of events: load balances, every call ends once, no call is lost, and nothing is left", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 10, maxLength: 80, size: "max" }),
      fc.constantFrom(...Object.keys(balancers)),
      fc.integer({ min: 1, max: 3 }),
      async (steps, name, max) => {
        const { runtime, clock, reports } = testRuntime();
        const network = new FakeNetwork(runtime);
        const pool = new Pool(runtime, { connect: network.connect, maxConnectionsPerEndpoint: max });
        const view = new FakeServiceView(runtime);
        const channels = [
          new ClusterChannel(view, pool, { balancer: balancers[name]! }),
          new ClusterChannel(view, pool),
        ];
        const calls: { call: FakeCall; channel: ClusterChannel }[] = [];

        const check = (): void => {
          const running = calls.filter(({ call }) => call.state === "running").length;
          const waiting = calls.filter(({ call }) => call.state === "waiting").length;
          assert.equal(pool.waitBudget.calls, waiting, "every call that waits is in a queue");
          assert.equal(channels[0]!.waiting + channels[1]!.waiting, waiting);
          const streams = network.connections.reduce((sum, { activeStreams }) => sum + activeStreams, 0);
          assert.equal(streams, running);
          for (const address of ADDRESSES) {
            const taking = network.to(address).filter(({ state }) => state === "connecting" || state === "open").length;
            // Those that retired for idleness or lack of users may still be open for their last streams.
            assert.ok(
              taking <=
                max +
                  network.to(address).filter(({ activeStreams, state }) => state === "open" && activeStreams > 0)
                    .length,
            );
          }
          for (const { directory } of channels) {
            for (const { inFlight, address } of directory.entries()) {
              const there = calls.filter(
                ({ call }) => call.state === "running" && call.endpoints.at(-1) === address,
              ).length;
              assert.ok(inFlight <= there, `${inFlight} in flight at ${address}, ${there} run there`);
            }
          }
        };

        /** Checked after every event: nobody waits for what is there, and what somebody waits for is on its way. */
        const checkProgress = (): void => {
          for (const channel of channels) {
            // Calls that were refused once may not go everywhere.
            const waiting = calls.filter(
              ({ call, channel: own }) => own === channel && call.state === "waiting" && call.attempts === 0,
            );
            if (waiting.length === 0 || view.state.value.state !== "bound") continue;
            const callable = [...channel.directory.entries()].filter(({ enabled, healthy }) => enabled && healthy);
            for (const { lease } of callable)
              assert.equal(lease.endpoint.free, 0, `a stream to ${lease.endpoint.address} is free while calls wait`);
            const onItsWay = callable.some(({ lease: { endpoint } }) => {
              const grows = endpoint
                .inspect()
                .connections.some(({ state }) => state === "connecting" || state === "verifying");
              return (
                grows ||
                endpoint.state === "backoff" ||
                endpoint.state === "connecting" ||
                endpoint.retryAt !== undefined ||
                endpoint.activeStreams > 0
              );
            });
            assert.ok(onItsWay || callable.length === 0, "calls wait and nothing is under way");
          }
        };

        for (const action of steps) {
          const connection =
            "which" in action ? network.open[action.which % Math.max(1, network.open.length)] : undefined;
          const running = calls.filter(({ call }) => call.state === "running");
          const run = "which" in action ? running[action.which % Math.max(1, running.length)] : undefined;
          const address = "which" in action ? ADDRESSES[action.which % ADDRESSES.length]! : "";
          switch (action.do) {
            case "open":
              for (let index = 0; index < action.count; index++) {
                const call = new FakeCall({ waitForReady: action.wait, control: action.control });
                const channel = channels[action.channel]!;
                calls.push({ call, channel });
                channel.open(call);
              }
              break;
            case "finish":
              run?.call.finish();
              break;
            case "refuse":
              run?.call.refuse();
              break;
            case "answer":
              run?.call.answer();
              break;
            case "leave": {
              const any = calls[action.which % Math.max(1, calls.length)];
              any?.call.leave(any.channel);
              break;
            }
            case "ready":
              connection?.ready(action.limit);
              break;
            case "limit":
              if (connection?.state === "open") connection.setLimit(action.limit);
              break;
            case "goaway":
              connection?.goaway(action.last);
              break;
            case "break":
              connection?.fail();
              break;
            case "pong":
              connection?.answerPings();
              break;
            case "put":
              view.put({ address, revision: `r${action.which}` });
              break;
            case "ill":
              view.put({ address, healthy: false });
              break;
            case "remove":
              view.remove(address);
              break;
            case "negative":
              view.set({ state: "negative", reason: "none" });
              break;
            case "failed":
              view.set({ state: "failed", error: new Error("down") });
              break;
            case "time":
              await clock.advance(action.ms);
              break;
          }
          await clock.settle();
          check();
          checkProgress();
        }

        // All is well again: every call that waits must be served, without any further call to push it.
        network.onConnect = (fresh) => fresh.ready(50);
        for (const old of network.open) {
          old.ready(50);
          if (old.state === "open") old.setLimit(50);
          old.answerPings();
        }
        view.put({ address: ADDRESSES[0]!, revision: "last" }, { address: ADDRESSES[1]!, revision: "last" });
        for (
          let round = 0;
          round < 60 && calls.some(({ call }) => call.state === "waiting" || call.state === "running");
          round++
        ) {
          for (const { call } of calls) if (call.state === "running") call.finish();
          await clock.advance(500);
          for (const open of network.open) open.answerPings();
          check();
        }
        for (const { call } of calls)
          assert.ok(["done", "failed", "left"].includes(call.state), `a call is ${call.state} for ever`);
        for (const { directory } of channels) for (const { inFlight } of directory.entries()) assert.equal(inFlight, 0);

        for (const channel of channels) channel.close();
        await clock.settle();
        assert.equal(pool.size, 0);
        assert.equal(network.open.length, 0);
        assert.equal(pool.counters.connectionsOpen, 0);
        assert.equal(clock.pendingTimers, 0);
        assert.deepEqual(reports, []);
      },
    ),
    { numRuns: 150 },
  );
});
