import { type BlockName, MAX_WINDOW, type ModelFrame, STREAMS, WINDOW } from "./http2-model-frames.js";

export type Role = "client" | "server";

/** §5.1, with the windows of §6.9. `idle` = our headers, or the peer's, have not come. */
export interface ModelStream {
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
export type Verdict = undefined | { readonly fault: "stream" | "connection"; readonly codes: readonly string[] };
const streamFault = (...codes: string[]): Verdict => ({ fault: "stream", codes });
const connectionFault = (...codes: string[]): Verdict => ({ fault: "connection", codes });

/** The streams and windows of RFC 9113 as they should be, moved by the peer's frames; without a connection beside it. */
export class Http2StreamModel {
  protected readonly role: Role;
  protected readonly open: Map<number, ModelStream> = new Map();
  /** Streams that we reset while the peer could still send. */
  protected readonly forgotten: Set<number> = new Set();
  protected nextId = 1;
  protected lastPeerId = 0;
  protected acceptUpTo: number = MAX_WINDOW;
  protected state: "open" | "announced" | "final" | "closed" = "open";
  protected sendWindow: number = WINDOW;
  protected receiveWindow: number = WINDOW;
  protected peerInitial: number = WINDOW;
  protected peerStreams: number = Infinity;
  /** What this step must bring, in order: callbacks, by stream and of the connection. */
  protected expected: string[] = [];
  protected opened = 0;

  constructor(role: Role) {
    this.role = role;
  }

  /**
   * Below 0 the connection; 0 to 6 an open stream on which the peer may send, 7 to 9 any open one, and from 4 on a new one for
   * HEADERS to a server; undefined if there is none. Above that a wrong one.
   */
  protected streamOf({ type, which }: { readonly type: string; readonly which: number }): number | undefined {
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
  protected natural(step: ModelFrame & { readonly type: "HEADERS" }, streamId: number): ModelFrame {
    const stream = this.open.get(streamId);
    if (stream?.remote === "body") return { ...step, block: "trailers", end: true };
    return { ...step, block: this.role === "server" ? "request" : "response" };
  }

  /** What the frame does to the streams, and whose fault it is. */
  protected receives(step: ModelFrame, streamId: number): Verdict {
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

  protected goFinal(): void {
    if (this.state !== "final") this.acceptUpTo = this.lastPeerId;
    this.state = "final";
    this.closeIfDrained();
  }

  // ---- the state of things

  protected ids(): number[] {
    return [...this.open.keys()];
  }

  private isIdle(streamId: number): boolean {
    const ours = streamId % 2 === (this.role === "client" ? 1 : 0);
    return ours ? this.role === "server" || streamId >= this.nextId : streamId > this.lastPeerId;
  }

  private mayBeLate(streamId: number): boolean {
    return this.forgotten.has(streamId) || streamId > this.acceptUpTo;
  }

  protected add(
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

  protected ended(streamId: number, stream: ModelStream): void {
    stream.local = "ended";
    if (this.role === "server" && stream.remote !== "ended") this.forgotten.add(streamId);
    if (this.role === "server" || stream.remote === "ended") this.close(streamId, "complete", "yes");
  }

  protected close(streamId: number, how: string, unanswered: "no" | "maybe" | "yes"): void {
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

  protected connectionOver(how: string): void {
    this.state = "closed";
    for (const streamId of this.ids()) this.close(streamId, `connection by ${how}`, "maybe");
    this.expected.push("closed");
  }
}
