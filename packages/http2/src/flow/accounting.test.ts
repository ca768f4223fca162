import assert from "node:assert/strict";
import { test } from "node:test";
import { createRandom, type Random } from "@dubhe/concurrency";
import { frameBytes, PREFACE, ScriptOutput, testRuntime } from "@dubhe/testing";
import fc from "fast-check";
import { ConnectionCore } from "../connection/connection-core.js";
import { resolveOptions } from "../options.js";
import { type ConnectionSink, HeaderTemplate, type Stream, type StreamSink } from "../types.js";
import { ListenerTotals } from "./listener-totals.js";

/*
 * Conservation: what the totals of a listener, its connections and their streams believe to be queued and unread agrees
 * after every step, whatever way the streams and the connections end; and when all is over nothing is left, no timer either.
 */

const KIB = 1024;
const OK = new HeaderTemplate([":status", "200"]);
const POST = ":method=POST :scheme=http :path=/";
const CONNECTIONS = 4;
/** So small that every limit is met. */
const OPTIONS = {
  initialWindowSize: 64 * KIB,
  connectionWindowSize: 128 * KIB,
  receiveBufferLimit: 128 * KIB,
  receiveBufferTotal: 192 * KIB,
  sendBufferLimit: 64 * KIB,
  sendBufferTotal: 128 * KIB,
  stallGraceMs: 100,
  sendStallTimeoutMs: 400,
  maxConnectionAgeMs: 20_000,
  maxConnectionAgeGraceMs: 1_000,
} as const;

class Peer {
  readonly core: ConnectionCore;
  readonly streams: Stream[] = [];
  private readonly clock: { now(): number };
  private readonly output: ScriptOutput;
  private readonly random: Random;
  private nextId = 1;

  constructor(core: ConnectionCore, output: ScriptOutput, random: Random, clock: { now(): number }) {
    this.core = core;
    this.output = output;
    this.random = random;
    this.clock = clock;
    const sink: ConnectionSink = {
      onReady: () => undefined,
      onCapacity: () => undefined,
      onDraining: () => undefined,
      onClose: () => this.whileEnding(),
      onStream: (stream) => {
        this.streams.push(stream);
        return this.sinkOf(stream);
      },
    };
    core.start(sink);
    this.receive(PREFACE, `SETTINGS INITIAL_WINDOW_SIZE=${random.below(3) * 8_192}`, "SETTINGS ACK");
  }

  step(action: number): void {
    const { random } = this;
    const stream = this.streams[random.below(Math.max(1, this.streams.length))];
    const id = stream?.id ?? 0;
    switch (stream === undefined ? 0 : action) {
      case 0:
      case 1:
        this.receive(`HEADERS ${this.nextId} ${POST}${random.below(3) === 0 ? " content-length=20000" : ""}`);
        this.nextId += 2;
        return;
      case 2:
      case 3:
        return this.receive(`DATA ${id} ${random.below(8) === 0 ? "END_STREAM " : ""}*${random.below(16_000)}`);
      case 4:
        return this.receive(`DATA ${id} pad=${random.below(200)} *${random.below(2_000)}`);
      case 5:
        return stream?.consumed(random.below(20_000));
      case 6:
      case 7:
        return this.answer(stream, random.below(6) === 0);
      case 8:
        return stream?.reset(8);
      case 9:
        return this.receive(`RST_STREAM ${id} CANCEL`);
      case 10:
        return this.receive(
          `WINDOW_UPDATE ${id} ${1 + random.below(30_000)}`,
          `WINDOW_UPDATE 0 ${1 + random.below(30_000)}`,
        );
      case 11:
        this.output.blocked = !this.output.blocked;
        return this.output.blocked ? undefined : this.output.unblock();
      case 12:
        if (random.below(40) > 0) return;
        return this.leave(random.below(3));
      default:
        return this.output.endTurn();
    }
  }

  private leave(how: number): void {
    if (how === 0) this.core.destroy();
    else if (how === 1) this.core.outputClosed(undefined);
    else this.core.drain({ graceMs: this.random.below(2) * 300 });
  }

  private answer(stream: Stream | undefined, end: boolean): void {
    try {
      stream?.sendHeaders(OK, undefined, false);
    } catch {
      // It has been answered already.
    }
    try {
      stream?.send(new Uint8Array(this.random.below(60_000)), end);
    } catch {
      // It has been ended already.
    }
  }

  /** Handlers do as they like at any time: when a stream ends they write to others. */
  private whileEnding(): void {
    this.answer(this.streams[this.random.below(Math.max(1, this.streams.length))], false);
  }

  private sinkOf(stream: Stream): StreamSink {
    return {
      onHeaders: () => undefined,
      onData: () => this.random.below(10) === 0 && stream.reset(2),
      onTrailers: () => undefined,
      onWritable: () => this.answer(stream, false),
      onClose: () => this.whileEnding(),
    } as StreamSink;
  }

  private receive(...lines: string[]): void {
    this.core.receive(frameBytes(...lines), this.clock.now());
  }
}

const sum = <T>(items: readonly T[], of: (item: T) => number): number =>
  items.reduce((total, item) => total + of(item), 0);

function assertAgree(peers: readonly Peer[], totals: ListenerTotals): void {
  for (const { core } of peers) {
    const streams = core.streams.values();
    assert.equal(
      core.scheduler.queuedBytes,
      sum(streams, (stream) => stream.queuedBytes),
    );
    assert.equal(
      core.receiveWindow.buffered,
      sum(streams, (stream) => stream.unconsumed),
    );
  }
  assert.equal(
    totals.send.queued,
    sum(peers, ({ core }) => core.scheduler.queuedBytes),
  );
  assert.equal(
    totals.receive.unread,
    sum(peers, ({ core }) => core.receiveWindow.buffered),
  );
}

const plan = fc.record({
  seed: fc.integer(),
  steps: fc.array(fc.tuple(fc.nat(CONNECTIONS - 1), fc.nat(13), fc.constantFrom(0, 0, 0, 0, 30, 200)), {
    minLength: 150,
    maxLength: 500,
    size: "max",
  }),
});

/** The property is worth something only if the limits were met. */
const seen = { stallResets: 0, requestsRefused: 0, served: 0 };

test("property: the totals of a listener agree with its streams after every step, and nothing outlives a connection", async () => {
  await fc.assert(
    fc.asyncProperty(plan, async ({ seed, steps }) => {
      const { runtime, clock } = testRuntime();
      const random = createRandom(seed);
      const options = resolveOptions("server", OPTIONS);
      const totals = new ListenerTotals(options);
      const peers = Array.from({ length: CONNECTIONS }, () => {
        const output = new ScriptOutput();
        const core = new ConnectionCore(runtime, "server", output, options, totals);
        output.core = core;
        return new Peer(core, output, random, clock);
      });
      for (const [peer, action, ms] of steps) {
        peers[peer]!.step(action);
        assertAgree(peers, totals);
        if (ms > 0) await clock.advance(ms);
        assertAgree(peers, totals);
      }
      for (const { core } of peers) {
        core.destroy();
        seen.stallResets += core.counters.stallResets;
        seen.requestsRefused += core.counters.requestsRefused;
        seen.served += core.counters.streamsClosed;
      }
      assertAgree(peers, totals);
      assert.deepEqual([totals.send.queued, totals.receive.unread], [0, 0]);
      for (const stream of peers.flatMap(({ streams }) => streams)) stream.consumed(1_000_000);
      assert.equal(totals.receive.unread, 0);
      await clock.advance(0);
      assert.equal(clock.pendingTimers, 0);
    }),
    { numRuns: 100 },
  );
  for (const [what, count] of Object.entries(seen)) assert.ok(count > 0, `${what}: ${count}`);
});
