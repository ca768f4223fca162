import assert from "node:assert/strict";
import { test } from "node:test";
import { type ConnectionOptions, resolveOptions } from "./options.js";

test("the defaults that docs/connections.md states", () => {
  const client = resolveOptions("client", {});
  const server = resolveOptions("server", {});
  assert.deepEqual(client.keepalive, {
    intervalMs: 10_000,
    timeoutMs: 10_000,
    whenIdle: false,
    maxPingsWithoutData: 2,
  });
  assert.deepEqual(server.keepalive, {
    intervalMs: 20_000,
    timeoutMs: 20_000,
    whenIdle: false,
    maxPingsWithoutData: Infinity,
  });
  assert.deepEqual([client.sendBufferLimit, server.sendBufferLimit], [64 * 1024 * 1024, 16 * 1024 * 1024]);
  assert.deepEqual(
    [server.maxConnectionIdleMs, server.maxConnectionAgeMs, server.maxConnectionAgeGraceMs],
    [3_600_000, Infinity, Infinity],
  );
});

const illegal: readonly ConnectionOptions[] = [
  { initialWindowSize: 1_000 },
  { maxConcurrentStreams: -1 },
  { maxConcurrentStreams: 1.5 },
  { keepalive: { intervalMs: 0 } },
  { keepalive: { timeoutMs: Number.NaN } },
  { keepalive: { maxPingsWithoutData: -1 } },
  { maxConnectionAgeMs: 0 },
  { maxConnectionIdleMs: Number.NaN },
  { tcpKeepaliveMs: -1 },
  { frameTimeoutMs: 0 },
  { sendBufferLimit: 10, stallGraceMs: 1 },
];
for (const options of illegal) {
  test(`${JSON.stringify(options)} is refused by name`, () => {
    const [name] = Object.keys(options) as [string];
    assert.throws(() => resolveOptions("server", options), { name: "RangeError", message: new RegExp(`^${name}`) });
  });
}

test("Infinity means never, and false off", () => {
  const options = resolveOptions("server", { maxConnectionIdleMs: Infinity, keepalive: false, tcpKeepaliveMs: 0 });
  assert.deepEqual([options.maxConnectionIdleMs, options.keepalive, options.tcpKeepaliveMs], [Infinity, undefined, 0]);
});
