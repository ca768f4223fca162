import assert from "node:assert/strict";
import { test } from "node:test";
import { FrameScript, frameBytes } from "@dubhe/testing";
import fc from "fast-check";
import { HeaderTemplate, type Stream } from "../types.js";
import type { ConnectionCore } from "./connection-core.js";

/*
 * Any sequence of frames, legal or not, and of actions of the layer above: nothing is thrown out of the core, nothing
 * loops, the books balance, windows are kept both ways, memory is bounded, and every stream ends exactly once.
 */

const KIB = 1024;
const WINDOW = 65_535;
const LIMIT = 100_000;
/** The peer's initial window: above the connection's, so that both kinds of blocking happen. */
const PEER_INITIAL = 150_000;
const REQUEST = new HeaderTemplate([":method", "POST", ":scheme", "http", ":path", "/"]);
const OK = new HeaderTemplate([":status", "200"]);

const OPTIONS = {
  initialWindowSize: WINDOW,
  connectionWindowSize: WINDOW,
  receiveBufferLimit: LIMIT,
  sendBufferLimit: 256 * KIB,
  maxConcurrentStreams: 4,
  maxHeaderListSize: 1024,
};

const FRAMES = 1;
const BYTES = 2;
const PEER = 3;
const LOCAL = 4;
type Step =
  /** Frames as text, most of them illegal where they come. */
  | { readonly kind: typeof FRAMES; readonly lines: readonly string[] }
  | { readonly kind: typeof BYTES; readonly bytes: Uint8Array }
  /** What a well-behaved peer, or the layer above, does next; `target` chooses among the streams that there are then. */
  | {
      readonly kind: typeof PEER | typeof LOCAL;
      readonly action: string;
      readonly target: number;
      readonly size: number;
    };

const actions = (kind: typeof PEER | typeof LOCAL, ...names: readonly string[]): fc.Arbitrary<Step> =>
  fc
    .tuple(fc.constantFrom(...names), fc.nat({ max: 2 }), fc.constantFrom(1, 3_000, 16_384, 70_000))
    .map(([action, target, size]) => ({ kind, action, target, size }));

const peerStep = actions(
  PEER,
  "open",
  "data",
  "data",
  "data",
  "end",
  "trailers",
  "reset",
  "window",
  "window",
  "grow",
  "settings",
);
const localStep = actions(
  LOCAL,
  ...["open", "headers", "headers", "send", "send", "send", "end", "trailers", "reset", "consume", "consume"],
  ...["block", "unblock", "unblock", "ping", "time"],
);

const drainStep = actions(LOCAL, "drain");

const id = fc.integer({ min: 0, max: 9 });
const end = fc.constantFrom("", "END_STREAM");
const fields = fc.constantFrom(
  ":method=POST :scheme=http :path=/",
  ":status=200",
  "x=1",
  `y=${"z".repeat(1_000)}`,
  "X=1",
  "",
);
const increment = fc.constantFrom(0, 1, 10_000, 0x7fffffff);
const frame = fc.oneof(
  fc.tuple(id, end, fields).map(([i, e, f]) => `HEADERS ${i} ${e} ${f}`),
  fc.tuple(id, end, fc.constantFrom("", "*1", "*16384", "pad=3 *9")).map(([i, e, d]) => `DATA ${i} ${e} ${d}`),
  fc.tuple(id, increment).map(([i, n]) => `WINDOW_UPDATE ${i} ${n}`),
  id.map((i) => `RST_STREAM ${i} CANCEL`),
  increment.map((n) => `SETTINGS INITIAL_WINDOW_SIZE=${n}`),
  fc.constantFrom("SETTINGS ACK", "PING 1", "PING ACK 1", "SETTINGS HEADER_TABLE_SIZE=0", "0x77 0", "GOAWAY 1"),
  fc.tuple(id, fields).map(([i, f]) => `HEADERS ${i} -END_HEADERS ${f}`),
  fc.tuple(id, fields).map(([i, f]) => `CONTINUATION ${i} ${f}`),
  fc.tuple(id, id).map(([i, j]) => `PRIORITY ${i} on=${j}`),
);

const anyFrames: fc.Arbitrary<Step> = fc
  .array(frame, { minLength: 1, maxLength: 4 })
  .map((lines) => ({ kind: FRAMES, lines }));
const anyBytes: fc.Arbitrary<Step> = fc.uint8Array({ maxLength: 200 }).map((bytes) => ({ kind: BYTES, bytes }));

/** A stream as the peer sees it. */
interface PeerStream {
  /** What it may still send. */
  window: number;
  ended: boolean;
  answered: boolean;
  /** What it has allowed us, at most, and what came. */
  allowed: number;
  received: number;
}

class Model {
  readonly script: FrameScript;
  readonly core: ConnectionCore;
  private readonly mine: Stream[] = [];
  private readonly peers: Map<number, PeerStream> = new Map();
  private nextPeerId = 1;
  private peerWindow = WINDOW;
  private peerAllowed = WINDOW;
  private peerReceived = 0;
  private largestInitial = PEER_INITIAL;
  /** Frames that no well-behaved peer would send make its books worthless. */
  private polite = true;

  constructor(role: "client" | "server", seed: number) {
    this.script = new FrameScript({
      role,
      seed,
      options: OPTIONS,
      consume: false,
      onStream: (stream) => this.mine.push(stream),
    });
    this.core = this.script.core as ConnectionCore;
    this.script.handshake(`INITIAL_WINDOW_SIZE=${PEER_INITIAL}`);
  }

  async run(step: Step): Promise<void> {
    if (step.kind === FRAMES || step.kind === BYTES) {
      this.polite = false;
      this.script.receiveBytes(step.kind === BYTES ? step.bytes : frameBytes(...step.lines));
    } else if (step.kind === PEER) {
      if (this.polite) this.peerActs(step.action, step.target, step.size);
    } else {
      await this.localActs(step.action, step.target, step.size);
    }
    for (const line of this.script.sent()) this.peerReads(line);
    this.check();
  }

  async finish(): Promise<void> {
    this.script.output.unblock();
    if (this.polite) {
      assert.equal(this.core.state, "open");
      // With windows for all, everything goes out.
      this.script.receive(`SETTINGS INITIAL_WINDOW_SIZE=${1 << 29}`, `WINDOW_UPDATE 0 ${1 << 30}`);
      assert.equal(this.core.scheduler.queuedBytes, 0);
    }
    this.script.core.outputClosed(undefined);
    await this.script.advance(10_000);
    this.check();
    assert.equal(this.core.state, "closed");
    assert.equal(this.core.streams.size, 0);
    assert.equal(this.core.counters.streamsOpened, this.core.counters.streamsClosed);
    const events = this.script.events();
    assert.equal(events.filter((line) => line.startsWith("closed")).length, 1);
    for (const streamId of new Set(events.flatMap((line) => /^stream (\d+) /.exec(line)?.[1] ?? []))) {
      const lines = events.filter((line) => line.startsWith(`stream ${streamId} `));
      const ends = lines.filter((line) => /^stream \d+ (complete|reset by|connection by)/.test(line));
      assert.equal(ends.length, 1, lines.join("; "));
      assert.equal(lines.at(-1), ends[0], "the end is the last callback");
    }
    assert.deepEqual(this.script.testRuntime.reports, []);
  }

  private peerActs(action: string, target: number, size: number): void {
    const server = this.core.role === "server";
    if (action === "open" && server) {
      this.script.receive(`HEADERS ${this.nextPeerId} :method=POST :scheme=http :path=/`);
      this.meet(this.nextPeerId, true);
      this.nextPeerId += 2;
    } else if (action === "grow") {
      this.peerAllowed += 10 * size;
      this.script.receive(`WINDOW_UPDATE 0 ${10 * size}`);
    } else if (action === "settings") {
      this.largestInitial = Math.max(this.largestInitial, size);
      this.script.receive(`SETTINGS INITIAL_WINDOW_SIZE=${size}`);
    } else {
      const live = [...this.peers].filter(([, stream]) => !stream.ended);
      const found = live[target % Math.max(1, live.length)];
      if (found !== undefined) this.peerActsOn(found[0], found[1], action, size);
    }
  }

  private peerActsOn(streamId: number, stream: PeerStream, action: string, size: number): void {
    const bytes = Math.max(0, Math.min(size, stream.window, this.peerWindow, 16_384));
    if (action === "window") {
      stream.allowed += size;
      this.script.receive(`WINDOW_UPDATE ${streamId} ${size}`);
    } else if (action === "reset") {
      stream.ended = true;
      this.script.receive(`RST_STREAM ${streamId} CANCEL`);
    } else if (!stream.answered) {
      stream.answered = true;
      stream.ended = action === "end";
      this.script.receive(`HEADERS ${streamId} ${stream.ended ? "END_STREAM" : ""} :status=200`);
    } else if (action === "trailers") {
      stream.ended = true;
      this.script.receive(`HEADERS ${streamId} END_STREAM x=1`);
    } else {
      stream.window -= bytes;
      this.peerWindow -= bytes;
      stream.ended = action === "end";
      this.script.receive(`DATA ${streamId} ${stream.ended ? "END_STREAM" : ""} *${bytes}`);
    }
  }

  private meet(streamId: number, answered: boolean): PeerStream {
    const stream = { window: WINDOW, ended: false, answered, allowed: 0, received: 0 };
    this.peers.set(streamId, stream);
    return stream;
  }

  /** Reads a frame of ours as the peer would, and checks it. */
  private peerReads(line: string): void {
    const [type, first = "0"] = line.split(" ");
    const streamId = Number(first);
    const stream = this.peers.get(streamId);
    if (!this.polite || type === "GOAWAY") return;
    if (type === "HEADERS" && this.core.role === "client" && stream === undefined) this.meet(streamId, false);
    if (type === "RST_STREAM" && stream !== undefined) stream.ended = true;
    if (type === "WINDOW_UPDATE") {
      const increment = Number(line.split(" ")[2]);
      if (streamId === 0) this.peerWindow += increment;
      else if (stream !== undefined) stream.window += increment;
    }
    if (type !== "DATA") return;
    const payload = /\*(\d+)$|"(.*)"$/.exec(line);
    const bytes = payload === null ? 0 : (payload[2]?.length ?? Number(payload[1]));
    this.peerReceived += bytes;
    stream!.received += bytes;
    assert.ok(this.peerReceived <= this.peerAllowed, "within the connection's window");
    assert.ok(stream!.received <= this.largestInitial + stream!.allowed, "within the stream's window");
  }

  private async localActs(action: string, target: number, size: number): Promise<void> {
    const stream = this.mine.at(-1 - target);
    switch (action) {
      case "open": {
        const opened = this.core.streams.size < 4 ? this.script.open(REQUEST, size === 1) : undefined;
        if (opened !== undefined) this.mine.push(opened);
        return;
      }
      case "headers":
        return legal(() => stream?.sendHeaders(OK, undefined, false));
      case "send":
        return legal(() => stream?.send(new Uint8Array(size), false));
      case "end":
        return legal(() => stream?.sendPrefixed(0, new Uint8Array(size), true));
      case "trailers":
        return legal(() => stream?.sendHeaders(OK, undefined, true));
      case "reset":
        return stream?.reset(8);
      case "consume":
        return stream?.consumed(size);
      case "block":
        this.script.output.blocked = true;
        return;
      case "unblock":
        return this.script.output.unblock();
      case "drain":
        this.polite = false;
        return this.script.connection.drain({ graceMs: size });
      case "ping":
        return this.script.connection.ping(() => undefined);
      default:
        return this.script.advance(size / 20);
    }
  }

  private check(): void {
    const { core } = this;
    let queued = 0;
    let unconsumed = 0;
    for (const stream of core.streams.values()) {
      queued += stream.queuedBytes;
      unconsumed += stream.unconsumed;
      assert.ok(stream.receiveWindow >= 0 && stream.receiveWindow <= WINDOW);
      assert.equal(stream.end, undefined);
      const peer = this.peers.get(stream.id);
      if (this.polite && peer !== undefined) assert.equal(stream.remote === "ended", peer.ended);
    }
    assert.equal(core.scheduler.queuedBytes, queued);
    unconsumed += core.receiveWindow.left;
    assert.equal(core.receiveWindow.buffered, unconsumed);
    assert.ok(unconsumed <= LIMIT, `received and unread is bounded: ${unconsumed}`);
    assert.ok(this.script.output.queuedBytes < 400 * KIB, `the output is bounded: ${this.script.output.queuedBytes}`);
    assert.ok(core.streams.size <= OPTIONS.maxConcurrentStreams);
  }
}

/** The order of calls is the caller's duty, and checked elsewhere. */
function legal(send: () => void): void {
  try {
    send();
  } catch (error) {
    assert.match(String(error), /after its end|before HEADERS|must end the stream/);
  }
}

function property(
  role: "client" | "server",
  step: fc.Arbitrary<Step>,
  maxLength: number,
  numRuns: number,
): Promise<void> {
  return fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength, size: "max" }), fc.nat(), async (steps, seed) => {
      const model = new Model(role, seed);
      for (const next of steps) await model.run(next);
      await model.finish();
    }),
    { numRuns },
  );
}

for (const role of ["client", "server"] as const) {
  test(`${role}: a well-behaved peer and any layer above`, () =>
    property(role, fc.oneof(peerStep, localStep), 120, 300));
  test(`${role}: now and then an illegal frame`, () =>
    property(role, fc.oneof({ weight: 30, arbitrary: fc.oneof(peerStep, localStep) }, anyFrames), 80, 200));
  test(`${role}: drained in the midst of it`, () =>
    property(role, fc.oneof({ weight: 20, arbitrary: fc.oneof(localStep, anyFrames) }, drainStep), 20, 200));
  test(`${role}: frames at random`, () => property(role, fc.oneof(anyFrames, localStep), 10, 300));
  test(`${role}: bytes at random`, () => property(role, anyBytes, 10, 200));
}

test("server: one bit wrong in a good conversation", () =>
  fc.assert(
    fc.asyncProperty(fc.nat(), fc.nat({ max: 7 }), async (position, bit) => {
      const bytes = Buffer.from(
        frameBytes(
          "HEADERS 1 :method=POST :scheme=http :path=/a content-length=5",
          'DATA 1 "hello"',
          "HEADERS 1 END_STREAM x=1",
          "WINDOW_UPDATE 0 100",
          "HEADERS 3 -END_HEADERS END_STREAM :method=GET",
          "CONTINUATION 3 :scheme=http :path=/",
          "SETTINGS INITIAL_WINDOW_SIZE=100",
          "PING 5",
          "RST_STREAM 1 CANCEL",
          "GOAWAY 0",
        ),
      );
      const at = position % bytes.length;
      bytes[at] = bytes[at]! ^ (1 << bit);
      const model = new Model("server", position);
      await model.run({ kind: BYTES, bytes });
      await model.finish();
    }),
    { numRuns: 1_000 },
  ));
