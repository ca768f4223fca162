import { DEFAULT_MAX_FRAME_SIZE } from "../frames/frame-types.js";
import { MESSAGE_PREFIX_SIZE } from "../frames/frame-writer.js";
import type { FieldList, HeaderTemplate } from "../types.js";

/** From this size on a payload is sent by reference. */
export const REFERENCE_SIZE: number = 16 * 1024;
const MIN_CHUNK = 512;

/** DATA that waits. `bytes[from, to)` is left to send; what lies before and after is not. */
export interface QueuedData {
  readonly kind: "data";
  readonly bytes: Uint8Array;
  from: number;
  to: number;
  /** The memory is ours, and may be filled up behind `to`. */
  readonly owned: boolean;
  endStream: boolean;
}

/** HEADERS that wait. They are encoded when they are sent: HPACK needs them in that order. */
export interface QueuedHeaders {
  readonly kind: "headers";
  readonly template: HeaderTemplate;
  readonly extra: FieldList | undefined;
  readonly endStream: boolean;
}

export type SendItem = QueuedData | QueuedHeaders;

/**
 * Queues a payload, behind a message prefix if `prefixFlag` is not negative. Large payloads are queued by reference; small
 * ones and prefixes are copied, together into chunks of up to a frame.
 */
export function queueData(queue: SendItem[], prefixFlag: number, payload: Uint8Array, endStream: boolean): void {
  const byReference = payload.length >= REFERENCE_SIZE;
  const prefixSize = prefixFlag < 0 ? 0 : MESSAGE_PREFIX_SIZE;
  const copied = prefixSize + (byReference ? 0 : payload.length);
  if (copied > 0 || !byReference) {
    const chunk = chunkFor(queue, copied, endStream || byReference);
    if (prefixSize > 0) writePrefix(chunk.bytes, chunk.to, prefixFlag, payload.length);
    if (!byReference && payload.length > 0) chunk.bytes.set(payload, chunk.to + prefixSize);
    chunk.to += copied;
    if (!byReference) chunk.endStream = endStream;
  }
  if (byReference) queue.push({ kind: "data", bytes: payload, from: 0, to: payload.length, owned: false, endStream });
}

function writePrefix(bytes: Uint8Array, at: number, flag: number, length: number): void {
  bytes[at] = flag;
  bytes[at + 1] = length >>> 24;
  bytes[at + 2] = length >>> 16;
  bytes[at + 3] = length >>> 8;
  bytes[at + 4] = length;
}

/** The last item if it has room for `size` more bytes, else a new one; `last`: nothing will be added to it. */
function chunkFor(queue: SendItem[], size: number, last: boolean): QueuedData {
  const tail = queue[queue.length - 1];
  const data = tail !== undefined && tail.kind === "data" ? tail : undefined;
  if (data !== undefined && (size === 0 || (data.owned && data.to + size <= data.bytes.length))) return data;
  // When payloads pile up each chunk is twice the last one.
  const doubled = data?.owned === true ? Math.min(DEFAULT_MAX_FRAME_SIZE, 2 * data.bytes.length) : MIN_CHUNK;
  const bytes = new Uint8Array(last ? size : Math.max(size, doubled));
  const chunk: QueuedData = { kind: "data", bytes, from: 0, to: 0, owned: true, endStream: false };
  queue.push(chunk);
  return chunk;
}
