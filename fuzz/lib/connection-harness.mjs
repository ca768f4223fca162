import assert from "node:assert/strict";
import { createRuntime } from "@dubhe/concurrency";
import { createCore } from "../../packages/http2/dist/connection/core.js";
import { HeaderTemplate } from "../../packages/http2/dist/types.js";
import { FrameChecker } from "./frame-checker.mjs";
import { COMMAND, SETTINGS, splitFrames, WINDOW_UPDATE } from "./frames.mjs";
import { ManualClock } from "./manual-clock.mjs";
import { hashOf } from "./random.mjs";

const OPTIONS = {
  initialWindowSize: 65_535,
  connectionWindowSize: 100_000,
  receiveBufferLimit: 150_000,
  sendBufferLimit: 256 * 1024,
  maxConcurrentStreams: 5,
  maxHeaderListSize: 1_024,
  // Longer than a run: whether it acts after one or two periods depends on the cuts, and may.
  frameTimeoutMs: 10_000_000,
  keepalive: { intervalMs: 60_000, timeoutMs: 5_000, whenIdle: true },
};
const GET = new HeaderTemplate([":method", "POST", ":scheme", "http", ":path", "/svc/Method", "te", "trailers"]);
const OK = new HeaderTemplate([":status", "200", "content-type", "application/grpc"]);
const TRAILERS = new HeaderTemplate(["grpc-status", "0"]);
const SIZES = [0, 1, 5, 1_000, 16_383, 16_384, 40_000, 70_000];

/** What a COMMAND frame can ask for: the byte after it is the argument. In place of an application and a network. */
const COMMANDS = [
  "open",
  "headers",
  "send",
  "prefixed",
  "end",
  "trailers",
  "reset",
  "consume",
  "consumeAll",
  "drain",
  "ping",
  "time",
  "block",
  "unblock",
  "destroy",
  "throwNext",
  "resetInside",
  "answerInside",
  "extra",
  "outputClosed",
];
/** As `open 0`: for seeds. */
export const commands = (...lines) => ({
  type: COMMAND,
  flags: 0,
  streamId: 0,
  payload: Uint8Array.from(lines.flatMap((line) => [COMMANDS.indexOf(line.split(" ")[0]), Number(line.split(" ")[1])])),
});
export const commandFrame = (random) => ({
  type: COMMAND,
  flags: 0,
  streamId: 0,
  payload: Uint8Array.of(random.below(COMMANDS.length), random.below(64)),
});

/** An input, cut into commands and runs of the peer's bytes. The first `skip` of these are no frames. */
export function stepsOf(input, skip) {
  const { frames, rest } = splitFrames(input.subarray(skip));
  const steps = [];
  let at = Math.min(skip, input.length);
  let from = 0;
  const flush = (to) => {
    if (to > from) steps.push({ bytes: input.subarray(from, to) });
  };
  for (const { type, payload } of frames) {
    const end = at + 9 + payload.length;
    if (type === COMMAND) {
      flush(at);
      for (let i = 0; i + 1 < Math.min(payload.length, 16); i += 2) {
        steps.push({ command: COMMANDS[payload[i] % COMMANDS.length], arg: payload[i + 1] });
      }
      from = end;
    }
    at = end;
  }
  flush(at + rest.length);
  return steps;
}

/** One connection with a scripted application above and a scripted transport below. Everything that happens is logged. */
export class ConnectionHarness {
  log = [];
  reports = [];
  features = new Set();
  clock = new ManualClock();
  checker;
  /** Payload that the application sent, and so may leave. */
  offered = 0;
  bytesOut = 0;
  #role;
  #core;
  #output;
  #streams = [];
  #ends = new Map();
  #closed = 0;
  #pings = 0;
  #pongs = 0;
  #inside = undefined;
  #flushDue = false;
  #queue = [];
  #blocked = false;
  /** What the peer can at most have allowed, by an independent reading of its frames. */
  #allowed = 65_535;
  #initial = 65_535;
  #streamAllowed = new Map();
  #commandsOnly = 0;

  constructor(role) {
    this.#role = role;
    this.checker = new FrameChecker(role === "client");
    const runtime = createRuntime({
      clock: this.clock,
      random: { next: () => 0.5, below: () => 0 },
      report: (error, where) => this.reports.push({ error, where }),
    });
    this.#output = this.#makeOutput();
    this.#core = createCore(runtime, role, this.#output, OPTIONS);
    this.#core.start(this.#sink());
    this.endTurn();
  }

  get connection() {
    return this.#core.connection;
  }

  /** Feeds the peer's bytes, in parts, within one turn or with one each. */
  receive(bytes, sizeOfPart, turnEach) {
    this.#note(bytes);
    for (let at = 0; at < bytes.length; ) {
      const end = Math.min(bytes.length, at + sizeOfPart(bytes.length));
      const chunk = bytes.slice(at, end);
      this.#core.receive(chunk, this.clock.now());
      chunk.fill(0xee);
      if (turnEach) this.endTurn();
      at = end;
    }
    this.endTurn();
    this.check();
  }

  command(name, arg) {
    this.#commandsOnly++;
    const streams = this.#streams;
    const stream = streams[streams.length - 1 - (arg % 4)];
    const size = SIZES[arg & 7];
    switch (name) {
      case "open":
        this.#open(arg);
        break;
      case "headers":
        if (this.#role === "server") this.#legal(() => stream?.sendHeaders(OK, undefined, false));
        break;
      case "extra":
        this.#legal(() =>
          stream?.sendHeaders(this.#next(stream), ["x", "v".repeat(arg), "grpc-timeout", `${arg}m`], (arg & 1) === 1),
        );
        break;
      case "send":
      case "end":
        this.#legal(() => this.#offer(size, stream?.send(new Uint8Array(size), name === "end")));
        break;
      case "prefixed":
        this.#legal(() => this.#offer(size + 5, stream?.sendPrefixed(0, new Uint8Array(size), (arg & 8) !== 0)));
        break;
      case "trailers":
        this.#legal(() => stream?.sendHeaders(this.#next(stream), undefined, true));
        break;
      case "reset":
        stream?.reset(arg % 14);
        break;
      case "consume":
        stream?.consumed(size);
        break;
      case "consumeAll":
        for (const one of streams) one.consumed(1 << 20);
        break;
      case "drain":
        this.connection.drain({ graceMs: arg * 20 });
        break;
      case "ping":
        this.#pings++;
        this.connection.ping(() => this.#pongs++);
        break;
      case "time":
        this.clock.advance(arg * arg * 4, () => this.endTurn());
        break;
      case "block":
        this.#blocked = true;
        break;
      case "unblock":
        this.#blocked = false;
        break;
      case "destroy":
        if (arg % 4 === 0) this.connection.destroy();
        break;
      case "outputClosed":
        if (arg % 4 === 0) this.#core.outputClosed(undefined);
        break;
      default:
        this.#inside = name;
    }
    this.endTurn();
    this.check();
  }

  endTurn() {
    for (let rounds = 0; ; rounds++) {
      assert.ok(rounds < 5_000, "a turn without end");
      while (this.#flushDue) {
        this.#flushDue = false;
        this.#core.flush();
      }
      this.clock.settle();
      if (!this.#blocked && this.#queue.length > 0) this.#letThrough();
      if (!this.#flushDue) return;
    }
  }

  check() {
    const core = this.#core;
    const { state, counters, activeStreams } = core.connection;
    let queued = 0;
    let unconsumed = 0;
    const seen = new Set();
    for (const stream of core.streams.values()) {
      assert.ok(!seen.has(stream.id));
      seen.add(stream.id);
      queued += stream.queuedBytes;
      unconsumed += stream.unconsumed;
      assert.equal(stream.end, undefined);
      assert.ok(
        stream.receiveWindow >= 0 && stream.receiveWindow <= OPTIONS.initialWindowSize,
        "a stream's receive window",
      );
      assert.ok(stream.sendWindow <= 0x7fffffff, "a stream's send window");
      assert.ok(stream.queuedBytes >= 0 && stream.unconsumed >= 0);
      if (stream.queue === undefined) assert.equal(stream.queuedBytes, 0);
    }
    assert.equal(seen.size, activeStreams);
    assert.equal(core.scheduler.queuedBytes, queued);
    // What completed responses left unread still waits for their application.
    assert.equal(core.receiveWindow.buffered, unconsumed + core.receiveWindow.left);
    assert.ok(core.receiveWindow.buffered <= OPTIONS.receiveBufferLimit, `${core.receiveWindow.buffered} bytes unread`);
    assert.equal(counters.streamsOpened - counters.streamsClosed, activeStreams);
    if (this.#role === "server") assert.ok(activeStreams <= OPTIONS.maxConcurrentStreams);
    if (state === "closed") assert.equal(activeStreams, 0);
    if (this.#role === "client" && state !== "open") assert.equal(core.connection.capacity, 0);
    assert.ok(core.connection.capacity >= 0);
    assert.equal(this.#closed, state === "closed" ? 1 : 0);
    assert.deepEqual(
      this.reports.filter(({ error }) => error?.message !== "thrown by a sink"),
      [],
    );
    assert.ok(this.#output.queuedBytes < 2 * 1024 * 1024, "the output is bounded");
    this.checker.read(new Uint8Array(0));
    assert.ok(this.checker.dataSent <= Math.min(this.#allowed, this.offered), "more DATA than allowed");
    for (const [id, sent] of this.checker.sentByStream) {
      assert.ok(sent <= this.#initial + (this.#streamAllowed.get(id) ?? 0), `more DATA than stream ${id} allows`);
    }
  }

  /** The transport goes, timers run out, and everybody has been told. */
  finish(inputBytes) {
    this.#blocked = false;
    this.endTurn();
    this.#core.outputClosed(undefined);
    this.endTurn();
    this.clock.advance(200_000, () => this.endTurn(), 1_000);
    this.check();
    this.checker.end();
    assert.equal(this.connection.state, "closed");
    assert.equal(this.clock.timers, 0, "timers were left");
    assert.equal(this.#pongs, this.#pings, "each ping is answered once");
    for (const [id, ends] of this.#ends) assert.equal(ends, 1, `stream ${id} ended ${ends} times`);
    const answers = this.bytesOut - this.checker.dataSent;
    // PING for PING, RST_STREAM for a broken frame, WINDOW_UPDATEs for DATA; a command can cost a header block.
    assert.ok(
      answers <= 2_000 + 4 * inputBytes + 600 * this.#commandsOnly,
      `${answers} bytes answered to ${inputBytes}`,
    );
  }

  #open(arg) {
    const { capacity } = this.connection;
    if (this.#role === "server") return assert.equal(capacity, 0);
    const slot = { id: 0 };
    const stream = this.connection.open(GET, undefined, (arg & 1) === 1, this.#streamSink(slot));
    assert.equal(stream === undefined, capacity === 0);
    if (stream !== undefined) this.#known(slot, stream);
  }

  /** Response headers, or trailers once those were sent. */
  #next(stream) {
    return stream.local === "idle" ? OK : TRAILERS;
  }

  #known(slot, stream) {
    slot.id = stream.id;
    slot.stream = stream;
    this.#ends.set(stream.id, this.#ends.get(stream.id) ?? 0);
    this.#streams.push(stream);
    if (this.#streams.length > 8) this.#streams.shift();
  }

  #offer(bytes, result) {
    if (result !== undefined) this.offered += bytes;
  }

  /** Calls out of order are the application's fault, and must be refused as such. */
  #legal(fn) {
    try {
      fn();
    } catch (error) {
      assert.match(String(error), /after its end|before HEADERS|must end the stream/);
    }
  }

  #note(bytes) {
    const { frames } = splitFrames(startsWith(bytes, "PRI * HTTP/2.0") ? bytes.subarray(24) : bytes);
    for (const { type, flags, streamId, payload } of frames) {
      const view = Buffer.from(payload);
      if (type === WINDOW_UPDATE && payload.length === 4) {
        const grown = view.readUInt32BE(0) & 0x7fffffff;
        if ((streamId & 0x7fffffff) === 0) this.#allowed += grown;
        else {
          const id = streamId & 0x7fffffff;
          this.#streamAllowed.set(id, (this.#streamAllowed.get(id) ?? 0) + grown);
        }
      }
      if (type !== SETTINGS || (flags & 1) !== 0) continue;
      for (let at = 0; at + 6 <= payload.length; at += 6) {
        const value = view.readUInt32BE(at + 2);
        if (view.readUInt16BE(at) === 4) this.#initial = Math.max(this.#initial, value);
        if (view.readUInt16BE(at) === 1) this.checker.allowTable(value);
      }
    }
  }

  #event(line, feature) {
    assert.equal(this.#closed, 0, `${line}: after the end of the connection`);
    this.log.push(line);
    this.features.add(hashOf(`${feature ?? line.replace(/\d+/g, "")} ${this.connection.state}`));
  }

  #sink() {
    return {
      onReady: () => this.#event("ready"),
      onStream: (stream, block, endStream) => {
        assert.ok(stream.id % 2 === 1);
        assert.equal(this.#ends.has(stream.id), false, "a stream is offered once");
        const slot = { id: 0 };
        this.#known(slot, stream);
        this.#event(
          `request ${stream.id} ${block.fields.length} ${hashOf(block.fields.join())} ${endStream}`,
          `request ${endStream}`,
        );
        // Without a sink there is nobody to be told of the end.
        if (this.#inside === "throwNext") this.#ends.set(stream.id, 1);
        this.#act(stream);
        return this.#streamSink(slot);
      },
      onCapacity: () => undefined,
      onDraining: (_connection, { lastStreamId, code }) =>
        this.#event(`draining ${lastStreamId} ${code}`, `draining ${code}`),
      onClose: (_connection, error) => {
        this.#event(`closed ${error?.code} ${error?.by}`, `closed ${error?.message.replace(/\d+/g, "")}`);
        this.#closed++;
      },
    };
  }

  #streamSink(slot) {
    let ended = false;
    const event = (line, feature) => {
      assert.equal(this.#ends.get(slot.id) ?? 0, 0, `${line}: after the end of stream ${slot.id}`);
      this.#event(`${slot.id} ${line}`, feature ?? line.split(" ")[0]);
    };
    const remoteEnd = (endStream) => {
      assert.equal(ended, false, "something behind the end");
      ended = endStream;
    };
    return {
      onHeaders: (block, endStream) => {
        remoteEnd(endStream);
        event(`response ${hashOf(block.fields.join())} ${endStream}`, `response ${endStream}`);
        this.#act(slot.stream);
      },
      onData: (chunk, endStream) => {
        remoteEnd(endStream);
        event(`data ${chunk.length} ${hashOf(chunk)} ${endStream}`, `data ${Math.clz32(chunk.length)} ${endStream}`);
        this.#act(slot.stream);
      },
      onTrailers: (block) => {
        remoteEnd(true);
        event(`trailers ${hashOf(block.fields.join())}`);
        this.#act(slot.stream);
      },
      onWritable: () => {
        assert.equal(slot.stream.writable, true);
        this.features.add(hashOf(`writable ${this.connection.state}`));
        this.#act(slot.stream);
      },
      onClose: (end) => {
        event(
          `end ${end.kind} ${end.code} ${end.by} ${end.processed}`,
          `end ${end.kind} ${end.message.replace(/\d+/g, "")}`,
        );
        this.#ends.set(slot.id, 1);
      },
    };
  }

  /** Something that the application does from within a callback. */
  #act(stream) {
    const what = this.#inside;
    this.#inside = undefined;
    if (what === "throwNext") throw new Error("thrown by a sink");
    if (what === "resetInside") stream.reset(8);
    if (what === "answerInside") {
      this.#legal(() => {
        if (this.#role === "server") stream.sendHeaders(OK, undefined, false);
        this.#offer(1_000, stream.send(new Uint8Array(1_000), true));
      });
    }
  }

  #makeOutput() {
    const harness = this;
    return {
      localAddress: "fuzz:local",
      remoteAddress: "fuzz:remote",
      secure: false,
      tls: undefined,
      queuedBytes: 0,
      scheduleFlush() {
        harness.#flushDue = true;
      },
      resumeNextTurn() {
        harness.#flushDue = true;
      },
      write(pieces) {
        harness.#queue.push(...pieces);
        for (const piece of pieces) this.queuedBytes += piece.length;
      },
      close() {},
      destroy() {},
      ref() {},
      unref() {},
    };
  }

  #letThrough() {
    const pieces = this.#queue;
    this.#queue = [];
    this.#output.queuedBytes = 0;
    for (const piece of pieces) {
      this.bytesOut += piece.length;
      this.checker.read(piece);
    }
    this.#core.written(pieces.length);
  }
}

function startsWith(bytes, text) {
  return Buffer.from(bytes.subarray(0, text.length)).toString("latin1") === text;
}
