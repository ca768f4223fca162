import type { Stream } from "@dubhe/http2";
import type { MessageCodec } from "../codec/message-codec.js";
import { type Compression, compress } from "../compression.js";
import { type MessageSource, OutboundPump, type OutboundTarget } from "../stream/outbound-pump.js";
import type { ClientCore } from "./client-core.js";

/** Encoded requests kept for another attempt; above it the call is committed to the attempt that runs. */
export const replayLimitBytes: number = 64 * 1024;

const empty = new Uint8Array(0);

export interface RequestOwner {
  requestFailed(error: unknown): void;
}

/**
 * The requests of a call: sends them on the stream of the present attempt, and keeps them until the first response HEADERS,
 * or until they exceed 64 KiB, so that another attempt can send them again. Before the first attempt everything is kept.
 */
export class RequestSender implements OutboundTarget {
  /** All requests and the end of the stream were given to the stream, or kept for one. */
  finished = false;
  /** Whether what is kept is the whole request so far. */
  whole = true;
  bufferedBytes = 0;
  private readonly owner: RequestOwner;
  private stream: Stream | undefined = undefined;
  private stopped = false;
  /** The only message of a unary call is kept apart: no array for it. */
  single: Uint8Array | undefined = undefined;
  /** 1 = it is compressed. */
  singleFlag = 0;
  private kept: Uint8Array[] | undefined = undefined;
  private keptFlags: number[] | undefined = undefined;
  private pump: OutboundPump | undefined = undefined;
  private codec: MessageCodec | undefined = undefined;
  private compression: Compression | undefined = undefined;
  private compressMinBytes = 0;

  constructor(owner: RequestOwner) {
    this.owner = owner;
  }

  /** The encoded message of a call that has just one. */
  setSingle(payload: Uint8Array, flag: number): void {
    this.single = payload;
    this.singleFlag = flag;
    this.bufferedBytes = payload.length;
    this.finished = true;
  }

  /** Call it after the channel had its chance to open a stream: then the first message is drawn at once. */
  startPump(core: ClientCore, codec: MessageCodec, source: MessageSource<unknown>): void {
    this.codec = codec;
    this.compression = core.options.compression;
    this.compressMinBytes = core.options.compressMinBytes ?? 1024;
    this.pump = new OutboundPump(core.env.runtime, this);
    if (this.stopped) this.pump.stop();
    this.pump.start(source);
  }

  /** An attempt begins: its HEADERS were written. */
  sendBuffered(stream: Stream): void {
    this.stream = stream;
    if (this.single !== undefined) {
      stream.sendPrefixed(this.singleFlag, this.single, true);
      if (this.bufferedBytes > replayLimitBytes) this.forget();
      return;
    }
    const kept = this.kept;
    if (kept !== undefined) {
      for (let i = 0; i < kept.length; i++)
        stream.sendPrefixed((this.keptFlags as number[])[i] as number, kept[i] as Uint8Array, false);
    }
    if (this.bufferedBytes > replayLimitBytes) this.forget();
    if (this.finished) stream.send(empty, true);
    else this.pump?.resume();
  }

  /** The same for one message without gRPC's framing: it is the body. */
  sendBare(stream: Stream): void {
    stream.send(this.single ?? empty, true);
    if (this.bufferedBytes > replayLimitBytes) this.forget();
  }

  /** The peer answers: no further attempt. */
  commit(): void {
    if (this.whole) this.forget();
  }

  resume(): void {
    this.pump?.resume();
  }

  /** The attempt's stream is gone; the requests wait for another. */
  detach(): void {
    this.stream = undefined;
  }

  /** The call ended. */
  stop(): void {
    this.stopped = true;
    this.stream = undefined;
    this.forget();
    this.pump?.stop();
  }

  get canWrite(): boolean {
    return this.stream?.writable === true;
  }

  write(message: unknown): Promise<void> | undefined {
    const payload = (this.codec as MessageCodec).encode(message);
    const { compression } = this;
    if (compression === undefined || payload.length < this.compressMinBytes) {
      this.put(payload, 0);
      return undefined;
    }
    const compressed = compress(compression, payload);
    if (compressed instanceof Uint8Array) {
      this.put(compressed, 1);
      return undefined;
    }
    return compressed.then((bytes) => this.put(bytes, 1));
  }

  sourceEnded(): void {
    this.finished = true;
    this.stream?.send(empty, true);
  }

  sourceFailed(error: unknown): void {
    this.owner.requestFailed(error);
  }

  private put(payload: Uint8Array, flag: number): void {
    if (this.stopped) return;
    if (this.whole) {
      if (this.stream !== undefined && this.bufferedBytes + payload.length > replayLimitBytes) {
        this.forget();
      } else {
        this.kept ??= [];
        this.keptFlags ??= [];
        this.kept.push(payload);
        this.keptFlags.push(flag);
        this.bufferedBytes += payload.length;
      }
    }
    this.stream?.sendPrefixed(flag, payload, false);
  }

  private forget(): void {
    this.whole = false;
    this.single = undefined;
    this.kept = undefined;
    this.keptFlags = undefined;
    this.bufferedBytes = 0;
  }
}
