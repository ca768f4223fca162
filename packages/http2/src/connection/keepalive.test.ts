import assert from "node:assert/strict";
import { test } from "node:test";
import { FrameScript, type FrameScriptOptions } from "@dubhe/testing";
import fc from "fast-check";
import { HeaderTemplate } from "../types.js";

const GET = new HeaderTemplate([":method", "GET", ":scheme", "http", ":path", "/"]);
const OK = new HeaderTemplate([":status", "200"]);
const REQUEST = "END_STREAM :method=GET :scheme=http :path=/";
const MINUTE = 60_000;
const DEAD = "closed: keepalive: the connection is dead, nothing came for 10000 ms nor within 10000 ms of a PING";

const client: FrameScriptOptions = { role: "client", split: "whole" };

test("by default a call that hears nothing probes the connection after 10 s, and is told 10 s later that it is dead", async () => {
  const script = new FrameScript(client);
  script.handshake();
  await script.advance(60 * MINUTE);
  assert.deepEqual(script.sent(), [], "idle: no PING");
  script.open(GET, true);
  script.sent();
  await script.advance(9_999);
  assert.deepEqual(script.sent(), []);
  await script.advance(1);
  assert.deepEqual(script.sent(), ["PING 1"]);
  await script.advance(9_999);
  assert.deepEqual(script.events(), []);
  await script.advance(1);
  assert.deepEqual(script.events(), ["stream 1 connection by transport CONNECT_ERROR processed=maybe", DEAD]);
  assert.equal(script.connection.counters.timeouts, 1);
});

test("a call that was given up before an answer came leaves the connection under suspicion", async () => {
  const script = new FrameScript(client);
  script.handshake();
  script.open(GET, true)!.reset(8);
  script.events();
  script.sent();
  await script.advance(10_000);
  assert.deepEqual(script.sent(), ["PING 1"]);
  await script.advance(10_000);
  assert.deepEqual(script.events(), [DEAD]);
});

test("any byte is a sign of life", async () => {
  const script = new FrameScript(client);
  script.handshake();
  script.open(GET, true);
  script.sent();
  for (let i = 0; i < 10; i++) {
    await script.advance(9_000);
    script.receive("WINDOW_UPDATE 0 1");
  }
  assert.deepEqual(script.sent(), [], "not silent, no PING");
  await script.advance(10_000);
  script.receive("WINDOW_UPDATE 0 1"); // not the acknowledgement
  await script.advance(10_000);
  assert.equal(script.connection.state, "open");
});

test("two PINGs between HEADERS or DATA of the server, then none for five and a half minutes", async () => {
  const script = new FrameScript(client);
  script.handshake();
  script.open(GET, true);
  const pings = async (ms: number): Promise<number> => {
    let count = 0;
    for (let passed = 0; passed < ms; passed += 500) {
      await script.advance(500);
      for (const line of script.sent()) {
        if (!line.startsWith("PING")) continue;
        count++;
        script.receive(line.replace("PING", "PING ACK"));
      }
    }
    return count;
  };
  assert.equal(await pings(5 * MINUTE), 2);
  assert.equal(await pings(5 * MINUTE), 1);
  script.receive("HEADERS 1 :status=200");
  assert.equal(await pings(5 * MINUTE), 2);
  script.receive("DATA 1 *1");
  assert.equal(await pings(5 * MINUTE), 2);
  assert.equal(script.connection.mayPing, false);
  script.receive("DATA 1 *1");
  assert.equal(script.connection.mayPing, true);
});

test("keepalive waits for a PING that is under way already", async () => {
  const script = new FrameScript(client);
  script.handshake();
  script.open(GET, true);
  script.sent();
  await script.advance(9_000);
  script.connection.ping(() => undefined);
  assert.equal(script.connection.mayPing, false);
  assert.deepEqual(script.sent(), ["PING 1"]);
  await script.advance(11_000);
  assert.deepEqual(script.sent(), []);
  assert.deepEqual(script.events().at(-1), DEAD);
});

test("a stall of this process is no silence of the peer", async () => {
  const script = new FrameScript(client);
  const { clock } = script.testRuntime;
  script.handshake();
  script.open(GET, true);
  await script.advance(10_000);
  assert.equal(script.sent().at(-1), "PING 1");
  clock.stall(60_000);
  clock.advanceSync(0);
  script.receive("PING ACK 1"); // it lay in the socket all the time
  await script.advance(1_000);
  assert.equal(script.connection.state, "open");
});

test("options: interval, timeout, whenIdle, and off", async () => {
  const idle = new FrameScript({
    ...client,
    options: { keepalive: { intervalMs: 1_000, timeoutMs: 200, whenIdle: true } },
  });
  idle.handshake();
  await idle.advance(1_000);
  assert.deepEqual(idle.sent(), ["PING 1"]);
  await idle.advance(200);
  assert.match(idle.events().at(-1)!, /^closed: keepalive/);
  const off = new FrameScript({ ...client, options: { keepalive: false } });
  off.handshake();
  off.open(GET, true);
  await off.advance(60 * MINUTE);
  assert.equal(off.connection.state, "open");
  assert.throws(() => new FrameScript({ ...client, options: { keepalive: { intervalMs: 0 } } }), RangeError);
});

test("a timeout longer than the interval does not put the next PING off", async () => {
  const options = { keepalive: { intervalMs: 1_000, timeoutMs: 5_000 } };
  const script = new FrameScript({ role: "server", split: "whole", options });
  script.handshake();
  script.receive(`HEADERS 1 ${REQUEST}`);
  await script.advance(1_000);
  assert.deepEqual(script.sent(), ["PING 1"]);
  script.receive("PING ACK 1");
  await script.advance(1_000);
  assert.deepEqual(script.sent(), ["PING 2"]);
  await script.advance(4_999);
  assert.deepEqual(script.sent(), []);
  assert.equal(script.connection.state, "open");
  await script.advance(1);
  assert.equal(script.connection.state, "closed");
});

test("server: a client that vanished in the middle of a call is noticed after 20 s and 20 s", async () => {
  const script = new FrameScript({ role: "server", split: "whole" });
  script.handshake();
  await script.advance(10 * MINUTE);
  assert.deepEqual(script.sent(), [], "idle: TCP's keepalive looks after it");
  script.receive(`HEADERS 1 ${REQUEST}`);
  await script.advance(20_000);
  assert.deepEqual(script.sent(), ["PING 1"]);
  script.receive("PING ACK 1");
  await script.advance(39_999);
  assert.deepEqual(script.sent(), ["PING 2"], "again and again: no client bans a server");
  assert.equal(script.connection.state, "open");
  await script.advance(1);
  assert.match(script.events().at(-1)!, /^closed: keepalive: the connection is dead/);
});

test("server: an answer that nothing confirms is followed by a PING, a confirmed one is not", async () => {
  const script = new FrameScript({ role: "server", split: "whole" });
  script.handshake();
  script.receive(`HEADERS 1 ${REQUEST}`);
  script.stream(1).sendHeaders(OK, undefined, true);
  script.sent();
  await script.advance(20_000);
  assert.deepEqual(script.sent(), ["PING 1"]);
  script.receive("PING ACK 1");
  await script.advance(10 * MINUTE);
  assert.deepEqual(script.sent(), []);
  script.receive(`HEADERS 3 ${REQUEST}`);
  script.stream(3).sendHeaders(OK, undefined, true);
  script.sent();
  script.receive("WINDOW_UPDATE 0 100");
  await script.advance(10 * MINUTE);
  assert.deepEqual(script.sent(), []);
});

/** What grpc-go's server does by default (internal/transport/http2_server.go, handlePing): MinTime 5 min, no streams 2 h, 2 strikes. */
class GrpcGoEnforcer {
  strikes = 0;
  banned = false;
  private reset = false;
  private lastPingAt = Number.NEGATIVE_INFINITY;

  wroteHeadersOrData(): void {
    this.reset = true;
  }

  ping(now: number, streams: number): void {
    const since = now - this.lastPingAt;
    this.lastPingAt = now;
    if (this.reset) {
      this.reset = false;
      this.strikes = 0;
      return;
    }
    if (since < (streams === 0 ? 120 * MINUTE : 5 * MINUTE)) this.strikes++;
    if (this.strikes > 2) this.banned = true;
  }
}

test("property: grpc-go's default server never bans us, whatever crosses on the wire", async () => {
  const step = fc.record({
    action: fc.constantFrom("open", "answer", "data", "data", "cancel", "verify", "verify", "wait", "wait"),
    ms: fc.constantFrom(0, 1, 50, 5_000, 12_000, 31_000, 400_000),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.constantFrom(0, 30, 4_000), async (steps, latencyMs) => {
      const script = new FrameScript(client);
      const { clock } = script.testRuntime;
      const enforcer = new GrpcGoEnforcer();
      const server = new Set<number>();
      const wire: { readonly at: number; readonly line: string; readonly up: boolean }[] = [];
      script.handshake();

      const say = (line: string): void => {
        enforcer.wroteHeadersOrData();
        wire.push({ at: clock.now() + latencyMs, line, up: false });
      };
      const turn = (): void => {
        for (const line of script.sent()) wire.push({ at: clock.now() + latencyMs, line, up: true });
        for (let due = wire.findIndex((entry) => entry.at <= clock.now()); due >= 0; ) {
          const [{ line, up }] = wire.splice(due, 1) as [(typeof wire)[0]];
          const [type, id] = line.split(" ") as [string, string];
          if (!up) script.receive(line);
          else if (type === "HEADERS") server.add(Number(id));
          else if (type === "RST_STREAM") server.delete(Number(id));
          else if (type === "PING") {
            enforcer.ping(clock.now(), server.size);
            wire.push({ at: clock.now() + latencyMs, line: `PING ACK ${id}`, up: false });
          }
          for (const sent of script.sent()) wire.push({ at: clock.now() + latencyMs, line: sent, up: true });
          due = wire.findIndex((entry) => entry.at <= clock.now());
        }
      };
      for (const { action, ms } of steps) {
        const [oldest] = server;
        if (action === "open") script.open(GET, true);
        else if (action === "verify" && script.connection.mayPing) script.connection.ping(() => undefined);
        else if (oldest !== undefined && action === "answer") {
          say(`HEADERS ${oldest} END_STREAM :status=200`);
          server.delete(oldest);
        } else if (oldest !== undefined && action === "data") say(`DATA ${oldest} *1`);
        else if (oldest !== undefined && action === "cancel") script.stream(oldest).reset(8);
        turn();
        for (let passed = 0; passed < ms; ) {
          const slice = Math.min(ms - passed, 1_000);
          await script.advance(slice);
          passed += slice;
          turn();
        }
        assert.equal(enforcer.banned, false, `${enforcer.strikes} strikes`);
        if (script.connection.state !== "open") return; // an answer may be illegal where it crosses a cancellation
      }
    }),
    { numRuns: 40 },
  );
});
