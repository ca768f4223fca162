import assert from "node:assert/strict";
import { HeaderTemplate, type Stream } from "@dubhe/http2";
import { FrameScript } from "./frame-script.js";
import { linesOf, type ModelCall, type ModelStep, STREAMS, WINDOW } from "./http2-model-frames.js";
import { Http2StreamModel, type ModelStream, type Role, type Verdict } from "./http2-model-streams.js";

/*
 * A small model of RFC 9113, and one side of a connection run beside it: stream states (§5.1), windows (§6.9), GOAWAY
 * (§6.8), limits of concurrency (§5.1.2), and which fault is whose (§5.4, §6). The peer sends any frames, and the layer
 * above calls whatever it likes. After each step the model says which callbacks came, which RST_STREAM and GOAWAY left, and
 * how much could be sent and was.
 */

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

/** Makes a connection and is told what happens to it; `run` throws where the two differ. */
export class Http2Model extends Http2StreamModel {
  private readonly script: FrameScript;
  private readonly handles: Stream[] = [];
  private pings: number[] = [];
  private pongs = 0;
  private pingsAsked = 0;

  constructor(role: Role, seed: number) {
    super(role);
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
    this.script.receive(...linesOf(frame, streamId, this.pings));
    if (frame.type === "PING ACK") this.pings = [];
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
