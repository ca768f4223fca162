import type { FrameWriter } from "../frames/frame-writer.js";
import { readUint32 } from "../frames/read-uint.js";

interface Outstanding {
  readonly number: number;
  readonly sentAt: number;
  readonly callback: (result: number | Error) => void;
}

/** Our PINGs and who waits for them. Acknowledgements match by a number in the payload. */
export class Pings {
  private readonly writer: FrameWriter;
  private outstanding: Outstanding[] = [];
  private lastNumber = 0;
  /** Sent since the peer's last HEADERS or DATA. */
  withoutData = 0;
  lastSentAt: number = Number.NEGATIVE_INFINITY;

  constructor(writer: FrameWriter) {
    this.writer = writer;
  }

  /** One is under way. */
  get pending(): boolean {
    return this.outstanding.length > 0;
  }

  send(now: number, callback: (result: number | Error) => void): void {
    const number = (this.lastNumber = (this.lastNumber + 1) >>> 0);
    this.withoutData++;
    this.lastSentAt = now;
    this.outstanding.push({ number, sentAt: now, callback });
    const payload = new Uint8Array(8);
    new DataView(payload.buffer).setUint32(4, number);
    this.writer.ping(false, payload);
  }

  /** False: we sent no such PING. */
  acknowledged(payload: Uint8Array, now: number): boolean {
    const number = readUint32(payload, 4);
    const index = this.outstanding.findIndex((ping) => ping.number === number);
    if (index < 0) return false;
    const [ping] = this.outstanding.splice(index, 1);
    ping!.callback(Math.max(0, now - ping!.sentAt));
    return true;
  }

  fail(error: Error): void {
    const outstanding = this.outstanding;
    this.outstanding = [];
    for (const ping of outstanding) ping.callback(error);
  }
}
