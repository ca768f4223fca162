import assert from "node:assert/strict";
import { test } from "node:test";
import { testRuntime } from "@dubhe/testing";
import fc from "fast-check";
import { RegistryBench } from "./test-support/registry-bench.js";

/** What a server may send instead of a packet. Its length stands in the first four bytes, then xid, zxid and error of an answer. */
const corruption = fc.oneof(
  fc.record({ kind: fc.constant("truncated" as const), at: fc.nat({ max: 80 }) }),
  fc.record({ kind: fc.constant("length" as const), value: fc.constantFrom(-1, -(2 ** 31), 2 ** 31 - 1, 70_000_000) }),
  fc.record({ kind: fc.constant("xid" as const), value: fc.constantFrom(0, -3, -4, -8, 7, 2 ** 31 - 1) }),
  fc.record({ kind: fc.constant("garbage" as const), bytes: fc.uint8Array({ minLength: 1, maxLength: 60 }) }),
  fc.record({ kind: fc.constant("nameless" as const) }),
);
type Corruption = typeof corruption extends fc.Arbitrary<infer T> ? T : never;

function framed(body: Uint8Array): Buffer {
  const packet = Buffer.alloc(4 + body.length);
  packet.writeInt32BE(body.length);
  packet.set(body, 4);
  return packet;
}

function corrupted(packet: Buffer, how: Corruption): Buffer {
  const copy = Buffer.from(packet);
  if (how.kind === "truncated") return framed(copy.subarray(4, Math.min(copy.length - 1, 4 + how.at)));
  if (how.kind === "length") copy.writeInt32BE(how.value, 0);
  else if (how.kind === "xid") copy.writeInt32BE(how.value, 4);
  else if (how.kind === "garbage") return framed(how.bytes);
  else
    return Buffer.concat([
      framed(Buffer.from(`ffffffff${"0".repeat(24)}${"00000001"}${"00000003"}${"0".repeat(8)}`, "hex")),
      copy,
    ]);
  return copy;
}

for (const recursive of [true, false]) {
  test(`hostile packets end a connection with an error, and all is as wanted afterwards: ${recursive ? "3.6" : "3.5"}`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat({ max: 12 }), corruption), { minLength: 1, maxLength: 5 }),
        async (attacks) => {
          const b = new RegistryBench(testRuntime(), { recursive });
          for (let port = 1; port <= 3; port++) b.put(b.instance(port));
          const pending = [...attacks];
          let skip = pending[0]?.[0] ?? 0;
          b.server.corrupt = (packet) => {
            if (skip-- > 0 || pending.length === 0) return packet;
            const [, how] = pending.shift() as (typeof pending)[0];
            skip = pending[0]?.[0] ?? 0;
            return corrupted(packet, how);
          };
          const registry = b.open();
          const registration = registry.register(b.instance(9));
          const seen = b.watch(registry, "shop");
          await b.clock.advance(60_000);
          b.server.corrupt = undefined;
          await b.clock.advance(60_000);
          assert.equal(registry.health.value.state, "up");
          assert.equal(registration.state.value, "confirmed");
          assert.deepEqual(seen.addresses(), ["10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3", "10.0.0.1:9"]);
          await b.close();
          assert.deepEqual(b.reports, []);
          assert.equal(
            b.clock.pendingTimers,
            b.server.sessions,
            "those of sessions that nobody knows of, at the server",
          );
        },
      ),
      { numRuns: 25 },
    );
  });
}

test("bytes of a server that is none name it, and say what is wrong", async () => {
  for (const [bytes, expected] of [
    [Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"), /[ab]:[12]: a packet of \d+ bytes: is this a ZooKeeper server/],
    [Buffer.from("8000000000000000", "hex"), /[ab]:[12]: a packet of -2147483648 bytes/],
    [framed(Buffer.alloc(3)), /[ab]:[12]: 4 bytes wanted, 3 left of a packet/],
  ] as const) {
    const b = new RegistryBench(testRuntime());
    b.server.corrupt = () => bytes;
    const registry = b.open();
    await b.clock.advance(5_000);
    assert.equal(registry.health.value.state, "down");
    assert.match(registry.health.value.error?.message ?? "", expected);
    await b.close();
  }
});

test("servers that take us and hang up on the first request are asked ever less often", async () => {
  for (const recursive of [true, false]) {
    const b = new RegistryBench(testRuntime(), { recursive });
    b.put(b.instance(1));
    const registry = b.open();
    const seen = b.watch(registry, "shop");
    await b.clock.advance(1_000);
    b.server.fault = () => "before";
    b.server.breakConnections();
    const before = b.server.handshakes;
    await b.clock.advance(30_000);
    const handshakes = b.server.handshakes - before;
    assert.ok(handshakes < 60, `${handshakes} in 30 s`);
    b.server.fault = undefined;
    b.put(b.instance(2));
    await b.clock.advance(10_000);
    assert.deepEqual(seen.addresses(), ["10.0.0.1:1", "10.0.0.1:2"]);
    await b.close();
  }
});

test("a server that hangs up on one kind of request is not asked for it as fast as it answers", async () => {
  const b = new RegistryBench(testRuntime());
  b.put(b.instance(1));
  const registry = b.open();
  const seen = b.watch(registry, "shop");
  await b.clock.advance(1_000);
  b.server.fault = (name) => (name === "getChildren2" ? "before" : undefined);
  b.server.breakConnections();
  const before = b.server.handshakes;
  await b.clock.advance(30_000);
  const handshakes = b.server.handshakes - before;
  assert.ok(handshakes < 60, `${handshakes} in 30 s`);
  b.server.fault = undefined;
  b.put(b.instance(2));
  await b.clock.advance(10_000);
  assert.deepEqual(seen.addresses(), ["10.0.0.1:1", "10.0.0.1:2"]);
  await b.close();
});
