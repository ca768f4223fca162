import assert from "node:assert/strict";
import { HeaderTemplate, type Stream } from "@dubhe/http2";
import { FrameScript } from "./frame-script.js";

/*
 * A small model of RFC 9113, and one side of a connection run beside it: stream states (§5.1), windows (§6.9), GOAWAY
 * (§6.8), limits of concurrency (§5.1.2), and which fault is whose (§5.4, §6). The peer sends any frames, and the layer
 * above calls whatever it likes. After each step the model says which callbacks came, which RST_STREAM and GOAWAY left, and
 * how much could be sent and was.
 */

const WINDOW = 65_535;
export const MAX_WINDOW = 0x7fff_ffff;
const STREAMS = 3;
const OPTIONS = {
  initialWindowSize: WINDOW,
  connectionWindowSize: WINDOW,
  receiveBufferLimit: 1_000_000,
  maxConcurrentStreams: STREAMS,
  keepalive: false,
} as const;
const REQUEST = new HeaderTemplate([":method", "POST", ":scheme", "http", ":path", "/"]);
const OK = new HeaderTemplate([":status", "200"]);
const TRAILERS = new HeaderTemplate(["x", "1"]);

type Role = "client" | "server";

/** A frame of the peer. `which` chooses among the streams that there are when it comes: see `streamOf`. */
export type ModelFrame =
  | { readonly type: "HEADERS"; readonly which: number; readonly block: BlockName | "natural"; readonly end: boolean }
  | {
      readonly type: "DATA";
      readonly which: number;
      readonly size: number;
      readonly padding: number;
      readonly end: boolean;
    }
  | { readonly type: "RST_STREAM"; readonly which: number; readonly code: string }
  | { readonly type: "WINDOW_UPDATE"; readonly which: number; readonly increment: number }
  | { readonly type: "SETTINGS"; readonly setting: string; readonly value: number }
  | { readonly type: "GOAWAY"; readonly last: number }
  | { readonly type: "PING ACK" | "PING" | "SETTINGS ACK" | "PRIORITY" | "UNKNOWN" }
  /** Never right; with the codes that the RFC gives to it. */
  | { readonly type: "WRONG"; readonly line: string; readonly code: string };

/** A call of the layer above, on one of the last streams. */
export type ModelCall = { readonly call: string; readonly target: number; readonly size: number };
export type ModelStep = ModelFrame | ModelCall;

/** Header blocks that a peer sends, right or wrong where they come. */
export const modelBlocks = {
  request: ":method=POST :scheme=http :path=/",
  sized: ":method=POST :scheme=http :path=/ content-length=5",
  response: ":status=200",
  continue: ":status=100",
  trailers: "x=1",
  upper: "X=1",
};

type BlockName = keyof typeof modelBlocks;

/** §5.1, with the windows of §6.9. `idle` = our headers, or the peer's, have not come. */
interface ModelStream {
  local: "idle" | "open" | "ending" | "ended";
  remote: "headers" | "body" | "ended";
  /** What we may send, and what waits to be sent. */
  sendWindow: number;
  waiting: number;
  /** What the peer may send; given to the application and not consumed. */
  receiveWindow: number;
  unread: number;
  /** Consumed, or padding, and not yet given back to the peer. */
  credit: number;
  /** Of content-length; -1 = not given. */
  promised: number;
}

/** Nothing; or an error of the stream, or of the connection, with the codes allowed. */
type Verdict = undefined | { readonly fault: "stream" | "connection"; readonly codes: readonly string[] };
const streamFault = (...codes: string[]): Verdict => ({ fault: "stream", codes });
const connectionFault = (...codes: string[]): Verdict => ({ fault: "connection", codes });

/** Makes a connection and is told what happens to it; `run` throws where the two differ. */
export class Http2Model {
  private readonly role: Role;
  private readonly script: FrameScript;
  private readonly handles: Stream[] = [];
  private readonly open = new Map<number, ModelStream>();
  /** Streams that we reset while the peer could still send. */
  private readonly forgotten = new Set<number>();
  private nextId = 1;
  private lastPeerId = 0;
  private acceptUpTo = MAX_WINDOW;
  private state: "open" | "announced" | "final" | "closed" = "open";
  private sendWindow = WINDOW;
  private receiveWindow = WINDOW;
  private peerInitial = WINDOW;
  private peerStreams = Infinity;
  private pings: number[] = [];
  private pongs = 0;
  private pingsAsked = 0;
  /** What this step must bring, in order: callbacks, by stream and of the connection. */
  private expected: string[] = [];
  private opened = 0;

  constructor(role: Role, seed: number) {
    this.role = role;
    this.script = new FrameScript({
      role,
      seed,
      options: OPTIONS,
      consume: false,
      onStream: (stream) => this.handles.push(stream),
    });
    this.script.handshake();
  }

  run(step: ModelStep): void {
    this.expected = [];
    if ("call" in step) {
      this.compare(this.calls(step), undefined);
      return;
    }
    const streamId = "which" in step ? this.streamOf(step) : 0;
    if (streamId === undefined) return;
    const frame = step.type === "HEADERS" && step.block === "natural" ? this.natural(step, streamId) : step;
    this.compare(this.receives(frame, streamId), streamId);
  }

  finish(): void {
    this.expected = [];
    if (this.state !== "closed") this.connectionOver("transport CONNECT_ERROR");
    this.script.core.outputClosed(undefined);
    assert.deepEqual(this.events(), this.expected);
    assert.equal(this.pongs, this.pingsAsked, "every ping is answered once");
    assert.deepEqual(this.script.testRuntime.reports, []);
    const { counters } = this.script.connection;
    assert.equal(counters.streamsOpened, this.opened);
    assert.equal(counters.streamsClosed, this.opened);
  }

  // ---- the peer's frames

  /**
   * Below 0 the connection; 0 to 6 an open stream on which the peer may send, 7 to 9 any open one, and from 4 on a new one for
   * HEADERS to a server; undefined if there is none. Above that a wrong one.
   */
  private streamOf({ type, which }: { readonly type: string; readonly which: number }): number | undefined {
    const newest = this.role === "server" ? this.lastPeerId : Math.max(1, this.nextId - 2);
    if (which < 0) return 0;
    if (which > 9) return [1, 3, newest + 4, 2, newest][which % 5]!;
    const open = this.ids().filter((streamId) => {
      const { remote } = this.open.get(streamId)!;
      return which > 6 || remote === "body" || (remote === "headers" && type !== "DATA");
    });
    if (type === "HEADERS" && this.role === "server" && (which > 3 || open.length === 0)) {
      return this.lastPeerId + 1 + (this.lastPeerId & 1);
    }
    return open[which % Math.max(1, open.length)];
  }

  /** The block that fits the stream. */
  private natural(step: ModelFrame & { readonly type: "HEADERS" }, streamId: number): ModelFrame {
    const stream = this.open.get(streamId);
    if (stream?.remote === "body") return { ...step, block: "trailers", end: true };
    return { ...step, block: this.role === "server" ? "request" : "response" };
  }

  private receives(step: ModelFrame, streamId: number): Verdict {
    this.script.receive(...this.linesOf(step, streamId));
    if (this.state === "closed") return undefined;
    switch (step.type) {
      case "HEADERS":
        return this.onHeaders(streamId, step.block as BlockName, step.end);
      case "DATA":
        return this.onData(streamId, step.size, step.padding, step.end);
      case "RST_STREAM": {
        if (streamId === 0 || this.isIdle(streamId)) return connectionFault("PROTOCOL_ERROR");
        const unanswered = step.code === "REFUSED_STREAM" ? "no" : "maybe";
        if (this.open.has(streamId)) this.close(streamId, `reset by peer ${step.code}`, unanswered);
        return undefined;
      }
      case "WINDOW_UPDATE":
        return this.onWindowUpdate(streamId, step.increment);
      case "SETTINGS":
        return this.onSettings(step.setting, step.value);
      case "GOAWAY":
        return this.onGoaway(step.last);
      case "WRONG":
        return connectionFault(step.code);
      case "PING ACK":
        // The answer to the PING that goes with an announced GOAWAY: the last one may follow.
        if (this.state === "announced") this.goFinal();
        return undefined;
      default:
        return undefined;
    }
  }

  private linesOf(step: ModelFrame, streamId: number): string[] {
    switch (step.type) {
      case "HEADERS":
        return [`HEADERS ${streamId} ${step.end ? "END_STREAM" : ""} ${modelBlocks[step.block as BlockName]}`];
      case "DATA": {
        const padding = step.padding < 0 ? "" : `pad=${step.padding}`;
        return [`DATA ${streamId} ${step.end ? "END_STREAM" : ""} ${padding} *${step.size}`];
      }
      case "RST_STREAM":
        return [`RST_STREAM ${streamId} ${step.code}`];
      case "WINDOW_UPDATE":
        return [`WINDOW_UPDATE ${streamId} ${step.increment}`];
      case "SETTINGS":
        return [`SETTINGS ${step.setting}=${step.value}`];
      case "GOAWAY":
        return [`GOAWAY ${step.last} NO_ERROR`];
      case "PING ACK": {
        const numbers = this.pings;
        this.pings = [];
        return numbers.map((number) => `PING ACK ${number}`);
      }
      case "PRIORITY":
        return ["PRIORITY 3 on=1"];
      case "UNKNOWN":
        return ["0x77 1 hex=00"];
      case "WRONG":
        return [step.line];
      default:
        return [step.type];
    }
  }

  private onHeaders(streamId: number, block: BlockName, end: boolean): Verdict {
    if (streamId === 0) return connectionFault("PROTOCOL_ERROR");
    const stream = this.open.get(streamId);
    if (stream !== undefined) {
      if (stream.remote === "ended") return streamFault("STREAM_CLOSED");
      if (stream.remote === "headers") return this.onResponse(streamId, stream, block, end);
      if (block !== "trailers" || !end || stream.promised > 0) return streamFault("PROTOCOL_ERROR");
      this.expected.push(`${streamId} trailers`);
      this.peerEnded(streamId, stream);
      return undefined;
    }
    if (this.role === "server" && streamId % 2 === 1 && streamId > this.lastPeerId) {
      return this.onRequest(streamId, block, end);
    }
    if (this.isIdle(streamId)) return connectionFault("PROTOCOL_ERROR");
    // A client's stream that is over: the response was under way. A server's: only if we reset it, or our GOAWAY left it out.
    if (this.role === "client" || this.mayBeLate(streamId)) return undefined;
    return connectionFault("STREAM_CLOSED", "PROTOCOL_ERROR");
  }

  private onRequest(streamId: number, block: BlockName, end: boolean): Verdict {
    this.lastPeerId = streamId;
    if (streamId > this.acceptUpTo) return undefined;
    if (block !== "request" && block !== "sized") return this.refused(streamId, end, "PROTOCOL_ERROR");
    if (this.open.size >= STREAMS) return this.refused(streamId, end, "REFUSED_STREAM");
    if (block === "sized" && end) return this.refused(streamId, end, "PROTOCOL_ERROR");
    this.add(streamId, "idle", end ? "ended" : "body", block === "sized" ? 5 : -1);
    this.expected.push(`${streamId} request${end ? " END" : ""}`);
    return undefined;
  }

  private refused(streamId: number, end: boolean, code: string): Verdict {
    if (!end) this.forgotten.add(streamId);
    return streamFault(code);
  }

  private onResponse(streamId: number, stream: ModelStream, block: BlockName, end: boolean): Verdict {
    if (block === "continue" && !end) return undefined;
    if (block !== "response") return streamFault("PROTOCOL_ERROR");
    stream.remote = "body";
    this.expected.push(`${streamId} response${end ? " END" : ""}`);
    if (end) this.peerEnded(streamId, stream);
    return undefined;
  }

  private onData(streamId: number, size: number, padding: number, end: boolean): Verdict {
    if (streamId === 0) return connectionFault("PROTOCOL_ERROR");
    const total = size + (padding < 0 ? 0 : padding + 1);
    this.receiveWindow -= total;
    if (this.receiveWindow < 0) return connectionFault("FLOW_CONTROL_ERROR");
    if (this.isIdle(streamId)) return connectionFault("PROTOCOL_ERROR");
    const stream = this.open.get(streamId);
    if (stream === undefined) return this.mayBeLate(streamId) ? undefined : streamFault("STREAM_CLOSED");
    if (stream.remote === "headers") return streamFault("PROTOCOL_ERROR");
    if (stream.remote === "ended") return streamFault("STREAM_CLOSED");
    stream.receiveWindow -= total;
    if (stream.receiveWindow < 0) return streamFault("FLOW_CONTROL_ERROR");
    if (stream.promised >= 0) {
      stream.promised -= size;
      if (stream.promised < 0 || (end && stream.promised > 0)) return streamFault("PROTOCOL_ERROR");
    }
    stream.unread += size;
    stream.credit += total - size;
    this.expected.push(`${streamId} data ${size}${end ? " END" : ""}`);
    if (end) this.peerEnded(streamId, stream);
    return undefined;
  }

  private onWindowUpdate(streamId: number, increment: number): Verdict {
    if (streamId === 0) {
      if (increment === 0) return connectionFault("PROTOCOL_ERROR");
      this.sendWindow += increment;
      return this.sendWindow > MAX_WINDOW ? connectionFault("FLOW_CONTROL_ERROR") : undefined;
    }
    if (this.isIdle(streamId)) return connectionFault("PROTOCOL_ERROR");
    const stream = this.open.get(streamId);
    if (stream === undefined) return undefined;
    if (increment === 0) return streamFault("PROTOCOL_ERROR");
    stream.sendWindow += increment;
    return stream.sendWindow > MAX_WINDOW ? streamFault("FLOW_CONTROL_ERROR") : undefined;
  }

  private onSettings(setting: string, value: number): Verdict {
    if (setting === "ENABLE_PUSH" && value > (this.role === "client" ? 0 : 1)) return connectionFault("PROTOCOL_ERROR");
    if (setting === "MAX_FRAME_SIZE" && value < 16_384) return connectionFault("PROTOCOL_ERROR");
    if (setting === "MAX_CONCURRENT_STREAMS") this.peerStreams = value;
    if (setting !== "INITIAL_WINDOW_SIZE") return undefined;
    if (value > MAX_WINDOW) return connectionFault("FLOW_CONTROL_ERROR");
    for (const stream of this.open.values()) stream.sendWindow += value - this.peerInitial;
    this.peerInitial = value;
    const overflow = [...this.open.values()].some((stream) => stream.sendWindow > MAX_WINDOW);
    return overflow ? connectionFault("FLOW_CONTROL_ERROR") : undefined;
  }

  private onGoaway(last: number): Verdict {
    this.expected.push(`draining ${last}`);
    if (this.state === "open") this.state = "final";
    if (this.role === "client") {
      for (const streamId of this.ids()) if (streamId > last) this.close(streamId, "connection by peer NO_ERROR", "no");
    }
    this.closeIfDrained();
    return undefined;
  }

  // ---- calls of the layer above

  private calls({ call, target, size }: ModelCall): Verdict {
    const handle = this.handles.at(-1 - target);
    const stream = handle === undefined ? undefined : this.open.get(handle.id);
    switch (call) {
      case "open":
      case "openEnded":
        this.opens(call === "openEnded");
        break;
      case "ping":
        if (this.state === "closed") break;
        this.pingsAsked++;
        this.script.connection.ping(() => this.pongs++);
        break;
      case "consume":
        handle?.consumed(size);
        if (stream !== undefined) {
          const used = Math.min(size, stream.unread);
          stream.unread -= used;
          stream.credit += used;
        }
        break;
      case "reset":
        if (handle !== undefined && stream !== undefined) {
          this.close(handle.id, "reset by local CANCEL", "maybe");
          if (stream.remote !== "ended") this.forgotten.add(handle.id);
          handle.reset(8);
          return { fault: "stream", codes: ["CANCEL"] };
        }
        break;
      case "drain":
        this.drains();
        break;
      case "destroy":
        if (this.state !== "closed") this.connectionOver("local CANCEL");
        this.script.connection.destroy();
        break;
      default:
        if (handle !== undefined) this.sends(handle, stream, call, size);
    }
    return undefined;
  }

  private opens(end: boolean): void {
    const mayOpen = this.role === "client" && this.state === "open" && this.open.size < this.peerStreams;
    const stream = this.script.open(REQUEST, end);
    assert.equal(stream !== undefined, mayOpen, "open within the limits, and only then");
    if (stream === undefined) return;
    assert.equal(stream.id, this.nextId);
    this.nextId += 2;
    this.handles.push(stream);
    this.add(stream.id, end ? "ended" : "open", "headers", -1);
  }

  private sends(handle: Stream, stream: ModelStream | undefined, call: string, size: number): void {
    const headers = call === "headers" || call === "trailers";
    const end = call === "end" || call === "trailers";
    const attempt = (): unknown => {
      if (headers) return handle.sendHeaders(stream?.local === "idle" ? OK : TRAILERS, undefined, end);
      return handle.send(new Uint8Array(size), end);
    };
    if (stream === undefined) {
      assert.equal(attempt(), headers ? undefined : false, "nothing is sent on a stream that is over");
      return;
    }
    const over = stream.local === "ending" || stream.local === "ended";
    const illegal = over || (headers ? stream.local === "open" && !end : stream.local === "idle");
    if (illegal) {
      assert.throws(attempt);
      return;
    }
    stream.local = end ? "ending" : "open";
    if (!headers) stream.waiting += size;
    attempt();
  }

  private drains(): void {
    this.script.connection.drain({ graceMs: 1_000_000 });
    if (this.state === "closed") return;
    if (this.role === "client") this.goFinal();
    else if (this.state === "open") this.state = "announced";
  }

  private goFinal(): void {
    if (this.state !== "final") this.acceptUpTo = this.lastPeerId;
    this.state = "final";
    this.closeIfDrained();
  }

  // ---- the state of things

  private ids(): number[] {
    return [...this.open.keys()];
  }

  private isIdle(streamId: number): boolean {
    const ours = streamId % 2 === (this.role === "client" ? 1 : 0);
    return ours ? this.role === "server" || streamId >= this.nextId : streamId > this.lastPeerId;
  }

  private mayBeLate(streamId: number): boolean {
    return this.forgotten.has(streamId) || streamId > this.acceptUpTo;
  }

  private add(
    streamId: number,
    local: ModelStream["local"],
    remote: ModelStream["remote"],
    promised: ModelStream["promised"],
  ): void {
    this.opened++;
    const stream = {
      local,
      remote,
      sendWindow: this.peerInitial,
      waiting: 0,
      receiveWindow: WINDOW,
      unread: 0,
      credit: 0,
      promised,
    };
    this.open.set(streamId, stream);
  }

  private peerEnded(streamId: number, stream: ModelStream): void {
    stream.remote = "ended";
    // A client has its response: the rest of the request is for nobody (§8.1).
    if (this.role === "client" || stream.local === "ended") this.close(streamId, "complete", "yes");
  }

  private ended(streamId: number, stream: ModelStream): void {
    stream.local = "ended";
    if (this.role === "server" && stream.remote !== "ended") this.forgotten.add(streamId);
    if (this.role === "server" || stream.remote === "ended") this.close(streamId, "complete", "yes");
  }

  private close(streamId: number, how: string, unanswered: "no" | "maybe" | "yes"): void {
    const stream = this.open.get(streamId);
    if (stream === undefined) return;
    const processed = this.role === "server" || stream.remote !== "headers" ? "yes" : unanswered;
    this.expected.push(`${streamId} ${how === "complete" ? how : `${how} processed=${processed}`}`);
    this.open.delete(streamId);
    this.closeIfDrained();
  }

  private closeIfDrained(): void {
    if (this.state !== "final" || this.open.size > 0) return;
    this.state = "closed";
    this.expected.push("closed");
  }

  private connectionOver(how: string): void {
    this.state = "closed";
    for (const streamId of this.ids()) this.close(streamId, `connection by ${how}`, "maybe");
    this.expected.push("closed");
  }

  // ---- what happened, beside what should have

  private compare(verdict: Verdict, streamId: number | undefined): void {
    const wasClosed = this.state === "closed" && !this.expected.includes("closed");
    const sent = this.script.sent();
    if (wasClosed) assert.deepEqual(sent, [], "nothing is sent once it is closed");
    const resets = new Map<number, string>();
    const goaways: string[] = [];
    for (const line of sent) {
      const [type = "", first = "", second = ""] = line.split(" ");
      if (type === "DATA") this.onSentData(Number(first), line);
      else if (type === "HEADERS" && second === "END_STREAM") this.onSentEnd(Number(first));
      else if (type === "RST_STREAM") resets.set(Number(first), second);
      else if (type === "GOAWAY") goaways.push(second);
      else if (type === "WINDOW_UPDATE") this.onSentCredit(Number(first), Number(second));
      else if (type === "PING" && first !== "ACK") this.pings.push(Number(first));
    }
    if (verdict?.fault === "connection") {
      assert.equal(goaways.length, 1, `GOAWAY ${verdict.codes.join(" or ")}: ${sent.join("; ")}`);
      assert.ok(verdict.codes.includes(goaways[0]!), `${goaways[0]}, not ${verdict.codes.join(" or ")}`);
      this.connectionOver(`local ${goaways[0]}`);
    } else if (verdict?.fault === "stream" && streamId !== undefined) {
      assert.ok(verdict.codes.includes(resets.get(streamId) ?? "none"), `RST_STREAM ${verdict.codes.join(" or ")}`);
      const stream = this.open.get(streamId);
      if (stream !== undefined && stream.remote !== "ended") this.forgotten.add(streamId);
      this.close(streamId, `reset by local ${resets.get(streamId)}`, "maybe");
    } else {
      for (const code of goaways) assert.equal(code, "NO_ERROR");
      if (verdict === undefined) for (const code of resets.values()) assert.equal(code, "NO_ERROR");
    }
    assert.deepEqual(this.events(), this.expected);
    this.checkProgress();
  }

  private events(): string[] {
    const lines = this.script.events().filter((line) => !line.endsWith(" writable"));
    return lines.map((line) => {
      if (line.startsWith("closed")) return "closed";
      if (line.startsWith("draining")) return `draining ${/last=(\d+)/.exec(line)?.[1]}`;
      const [, streamId = "", what = "", size = ""] = line.split(" ");
      const end = line.endsWith("END_STREAM") ? " END" : "";
      if (what === "data") return `${streamId} data ${size}${end}`;
      if (what === "request" || what === "response") return `${streamId} ${what}${end}`;
      if (what === "trailers") return `${streamId} trailers`;
      return line.slice("stream ".length);
    });
  }

  private onSentData(streamId: number, line: string): void {
    const payload = /\*(\d+)$|"(.*)"$/.exec(line);
    const size = payload === null ? 0 : (payload[2]?.length ?? Number(payload[1]));
    const stream = this.open.get(streamId);
    assert.ok(stream !== undefined, `DATA on stream ${streamId}, which is closed`);
    stream.sendWindow -= size;
    stream.waiting -= size;
    this.sendWindow -= size;
    assert.ok(size === 0 || stream.sendWindow >= 0, "within the stream's window");
    assert.ok(size === 0 || this.sendWindow >= 0, "within the connection's window");
    assert.ok(stream.waiting >= 0, "no more than was asked for");
    if (line.split(" ")[2] === "END_STREAM") this.onSentEnd(streamId);
  }

  private onSentEnd(streamId: number): void {
    const stream = this.open.get(streamId);
    if (stream === undefined || stream.local === "ended") return; // opened with END_STREAM
    assert.equal(stream.local, "ending");
    assert.equal(stream.waiting, 0, "the end comes last");
    this.ended(streamId, stream);
  }

  private onSentCredit(streamId: number, increment: number): void {
    if (streamId === 0) {
      this.receiveWindow += increment;
      assert.ok(this.receiveWindow <= WINDOW);
      return;
    }
    const stream = this.open.get(streamId);
    if (stream === undefined) return;
    stream.receiveWindow += increment;
    assert.equal(increment, stream.credit, "what was used up is credited, no more and no less");
    stream.credit = 0;
  }

  /** Nothing is held back that could go; no credit is lost; the counters are right. */
  private checkProgress(): void {
    const { connection } = this.script;
    assert.equal(connection.state === "closed", this.state === "closed");
    assert.equal(connection.activeStreams, this.open.size);
    if (this.state === "closed") return assert.equal(connection.capacity, 0);
    const capacity =
      this.role === "client" && this.state === "open" ? Math.max(0, this.peerStreams - this.open.size) : 0;
    assert.equal(connection.capacity, capacity);
    assert.ok(this.receiveWindow >= WINDOW / 2 - 1, "the connection is credited on receipt");
    for (const [streamId, stream] of this.open) {
      if (stream.waiting > 0) {
        assert.ok(stream.sendWindow <= 0 || this.sendWindow <= 0, `${stream.waiting} bytes wait on stream ${streamId}`);
      } else {
        assert.notEqual(stream.local, "ending", "nothing waits, so the end is out");
      }
      if (stream.remote !== "ended") {
        assert.equal(stream.receiveWindow + stream.unread + stream.credit, WINDOW);
        assert.ok(stream.credit < WINDOW / 2, "half a window at a time");
      }
    }
  }
}
