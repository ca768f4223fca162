import assert from "node:assert/strict";
import { test } from "node:test";
import { createRandom, type Random } from "@dubhe/concurrency";
import { ScriptOutput, testRuntime } from "@dubhe/testing";
import fc from "fast-check";
import type { ConnectionOptions } from "../options.js";
import { type ConnectionSink, HeaderTemplate, type Stream, type StreamEnd, type StreamSink } from "../types.js";
import type { ConnectionCore } from "./connection-core.js";
import { createCore } from "./core.js";

/*
 * Two of our own connections, wired together: what one side sends arrives at the other, all of it and in order, whatever
 * the windows, the latency and the cuts; and when it is quiet both sides agree on every window.
 */

const POST = new HeaderTemplate([":method", "POST", ":scheme", "http", ":path", "/"]);
const OK = new HeaderTemplate([":status", "200"]);
const TRAILERS = new HeaderTemplate(["grpc-status", "0"]);

const PATTERN = Uint8Array.from({ length: 1 << 20 }, (_, n) => n * 7 + (n >> 8));

/** What a stream carries from byte `from` on, in either direction. */
function carried(streamId: number, from: number, size: number): Uint8Array {
  return PATTERN.subarray(31 * streamId + from, 31 * streamId + from + size);
}

interface Plan {
  /** What each request sends, in pieces, and how much the server sends back for it. */
  readonly calls: readonly {
    readonly pieces: readonly number[];
    readonly answer: readonly number[];
    readonly prefixed: boolean;
  }[];
  readonly client: ConnectionOptions;
  readonly server: ConnectionOptions;
  readonly seed: number;
}

/** One direction of one stream: writes its pieces as far as `send` allows, checks what comes the other way. */
class Talker implements StreamSink {
  stream!: Stream;
  end: StreamEnd | undefined = undefined;
  received = 0;
  peerEnded = false;
  private readonly pieces: number[];
  private readonly prefixed: boolean;
  private readonly onEnd: () => void;
  private readonly random: Random;
  private sent = 0;
  private unread = 0;
  private mayStart = false;

  constructor(pieces: readonly number[], prefixed: boolean, random: Random, onEnd: () => void) {
    this.pieces = [...pieces];
    this.prefixed = prefixed;
    this.random = random;
    this.onEnd = onEnd;
  }

  start(): void {
    this.mayStart = true;
    this.write();
  }

  write(): void {
    if (!this.mayStart || this.end !== undefined) return;
    for (let size = this.pieces.shift(); size !== undefined; size = this.pieces.shift()) {
      const last = this.pieces.length === 0 && this.stream.connection.role === "client";
      const payload = carried(this.stream.id, this.sent, size);
      this.sent += size; // before: `send` may call onWritable
      const more = this.prefixed ? this.stream.sendPrefixed(0, payload, last) : this.stream.send(payload, last);
      if (last) return;
      if (!more) break;
    }
    if (this.pieces.length > 0 || !this.mayStart) return;
    this.mayStart = false;
    if (this.stream.connection.role === "server") this.stream.sendHeaders(TRAILERS, undefined, true);
  }

  /** A slow application: takes some of what waits. */
  read(all: boolean): void {
    const size = all ? this.unread : this.random.below(this.unread + 1);
    this.unread -= size;
    if (size > 0) this.stream.consumed(size);
  }

  onHeaders(): void {}

  onData(chunk: Uint8Array, endStream: boolean): void {
    assert.equal(this.peerEnded, false);
    // With prefixes in between only the amount is checked.
    const expected = carried(this.stream.id, this.received, chunk.length);
    if (!this.prefixed) assert.equal(Buffer.compare(chunk, expected), 0, `not the bytes from ${this.received} on`);
    this.received += chunk.length;
    this.unread += chunk.length;
    if (endStream) this.ended();
  }

  onTrailers(): void {
    this.ended();
  }

  onWritable(): void {
    this.write();
  }

  onClose(end: StreamEnd): void {
    assert.equal(this.end, undefined);
    this.end = end;
  }

  private ended(): void {
    this.peerEnded = true;
    this.onEnd();
  }
}

class Pair {
  readonly client: ConnectionCore;
  readonly server: ConnectionCore;
  readonly talkers: Talker[] = [];
  private readonly runtime = testRuntime();
  private readonly outputs = [new ScriptOutput(), new ScriptOutput()] as const;
  private readonly onWay: [Uint8Array, Uint8Array] = [new Uint8Array(0), new Uint8Array(0)];
  private readonly random: Random;
  private readonly plan: Plan;

  constructor(plan: Plan) {
    this.plan = plan;
    this.random = createRandom(plan.seed);
    const { runtime } = this.runtime;
    const make = (role: "client" | "server", options: ConnectionOptions, output: ScriptOutput): ConnectionCore => {
      const core = createCore(runtime, role, output, { ...options, keepalive: false }) as ConnectionCore;
      output.core = core;
      core.start(this.sink());
      return core;
    };
    this.client = make("client", plan.client, this.outputs[0]);
    this.server = make("server", plan.server, this.outputs[1]);
  }

  /** Until nothing moves any more. */
  run(): void {
    const waiting = [...this.plan.calls.entries()];
    for (let quiet = 0, rounds = 0; quiet < 3; rounds++) {
      assert.ok(rounds < 20_000, "it comes to an end");
      for (let room = this.client.capacity; room > 0 && waiting.length > 0; room--) {
        const [index, call] = waiting.shift()!;
        const talker = new Talker(call.pieces, call.prefixed, this.random, () => undefined);
        const stream = this.client.open(POST, ["call", String(index)], call.pieces.length === 0, talker)!;
        talker.stream = stream;
        this.talkers.push(talker);
        if (call.pieces.length > 0) talker.start();
      }
      // Once it is quiet the applications read everything, so that what is left can move.
      for (const talker of this.talkers) talker.read(quiet > 0 || this.random.below(3) === 0);
      const moved = this.move(0, quiet > 0) + this.move(1, quiet > 0);
      quiet = moved > 0 ? 0 : quiet + 1;
    }
    assert.equal(waiting.length, 0);
  }

  check(): void {
    assert.deepEqual(this.runtime.reports, []);
    for (const core of [this.client, this.server]) {
      assert.equal(core.state, "open");
      assert.equal(core.streams.size, 0);
      assert.equal(core.scheduler.queuedBytes, 0);
      assert.equal(core.receiveWindow.buffered, 0);
      assert.equal(core.counters.streamsOpened, this.plan.calls.length);
    }
    // Neither side believes in credit that the other has not given, or the other way round.
    assert.equal(windowOf(this.client.scheduler), windowOf(this.server.receiveWindow));
    assert.equal(windowOf(this.server.scheduler), windowOf(this.client.receiveWindow));
    const mine = this.talkers.filter((talker) => talker.stream.connection.role === "client");
    const theirs = this.talkers.filter((talker) => talker.stream.connection.role === "server");
    assert.equal(theirs.length, mine.length);
    for (const talker of this.talkers) assert.equal(talker.end?.kind, "complete");
    for (const talker of mine) {
      const call = this.plan.calls[(talker.stream.id - 1) / 2]!;
      const other = theirs.find((one) => one.stream.id === talker.stream.id)!;
      const extra = (count: number): number => (call.prefixed ? 5 * count : 0);
      assert.equal(other.received, sum(call.pieces) + extra(call.pieces.length));
      assert.equal(talker.received, sum(call.answer) + extra(call.answer.length));
    }
  }

  private sink(): ConnectionSink {
    return {
      onReady: () => undefined,
      onCapacity: () => undefined,
      onDraining: () => assert.fail("GOAWAY"),
      onClose: (_connection, error) => assert.fail(String(error)),
      onStream: (stream, _block, endStream) => {
        const call = this.plan.calls[(stream.id - 1) / 2]!;
        const talker = new Talker(call.answer, call.prefixed, this.random, () => answer());
        const answer = (): void => {
          stream.sendHeaders(OK, undefined, false);
          talker.start();
        };
        talker.stream = stream;
        this.talkers.push(talker);
        if (endStream) answer();
        return talker;
      },
    };
  }

  /** Some of what side `from` wrote reaches the other one, in parts. Returns how much moved. */
  private move(from: 0 | 1, all: boolean): number {
    const output = this.outputs[from];
    output.blocked = !all && this.random.below(4) === 0;
    output.endTurn();
    const bytes = Buffer.concat([this.onWay[from], output.take()]);
    const count = all || this.random.below(3) > 0 ? bytes.length : this.random.below(bytes.length + 1);
    const to = from === 0 ? this.server : this.client;
    for (let at = 0; at < count; ) {
      const end = Math.min(count, at + 1 + this.random.below(this.random.below(3) === 0 ? 40 : 30_000));
      const chunk = new Uint8Array(bytes.subarray(at, end));
      to.receive(chunk, this.runtime.clock.now());
      chunk.fill(0xee);
      at = end;
    }
    this.onWay[from] = new Uint8Array(bytes.subarray(count));
    return count + (output.blocked ? output.queuedBytes : 0) + (bytes.length - count);
  }
}

function sum(sizes: readonly number[]): number {
  return sizes.reduce((total, size) => total + size, 0);
}

function windowOf(side: object): number {
  return (side as { readonly window: number }).window;
}

const sizes = fc.array(fc.constantFrom(0, 1, 7, 1_000, 16_379, 16_384, 16_385, 70_000, 150_000), { maxLength: 5 });
const options: fc.Arbitrary<ConnectionOptions> = fc.record({
  initialWindowSize: fc.constantFrom(65_535, 65_536, 300_000),
  connectionWindowSize: fc.constantFrom(65_535, 100_000, 1 << 20),
  maxConcurrentStreams: fc.constantFrom(1, 2, 100),
});
const plan: fc.Arbitrary<Plan> = fc.record({
  calls: fc.array(fc.record({ pieces: sizes, answer: sizes, prefixed: fc.boolean() }), { minLength: 1, maxLength: 8 }),
  client: options,
  server: options,
  seed: fc.nat(),
});

test("two connections of ours: everything arrives, and the windows agree in the end", () => {
  fc.assert(
    fc.property(plan, (one) => {
      const pair = new Pair(one);
      pair.run();
      pair.check();
    }),
    { numRuns: Number(process.env["DUBHE_RUNS"] ?? 40) },
  );
});
