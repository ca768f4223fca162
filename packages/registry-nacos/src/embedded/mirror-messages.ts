import { asBoolean, asNumber, type JsonObject } from "../json.js";
import { type Lineage, type MirrorEntry, readLineage, readMirrorEntries } from "./mirror.js";

/**
 * What Dubhe processes and the host say beyond Nacos, in the same envelopes. Real Nacos never sees these: they are sent
 * only to a host that showed its marker.
 *
 *     client                                       host
 *     DubheMirrorOfferRequest {lineage, entries, last} ─▶     what the client has from an earlier host
 *     DubheMirrorRequest {since} ─▶
 *                      ◀─ DubheMirrorPush {reset, seq, entries, last}     the whole state, in parts
 *                      ◀─ DubheMirrorPush {seq, entries}                  each change, before its answer goes out
 *                      ◀─ DubheMirrorPush {seq, rank}                     the client's place in the line of successors
 */
export const MirrorType = {
  offer: "DubheMirrorOfferRequest",
  request: "DubheMirrorRequest",
  push: "DubheMirrorPush",
} as const;

/** Entries in one message, so that none comes near the message limit. */
export const MIRROR_PART = 200;

export interface MirrorOffer {
  readonly lineage: Lineage;
  readonly entries: readonly MirrorEntry[];
  /** The last part of this offer. */
  readonly last: boolean;
}

export interface MirrorPush {
  /** On the first part of a full copy: what the host's state descends from. Everything held so far is void. */
  readonly reset: Lineage | undefined;
  readonly seq: number;
  readonly entries: readonly MirrorEntry[];
  /** 0 = becomes the host at once when this one dies; the others wait a little for those before them. */
  readonly rank: number | undefined;
  /** On the last part of a full copy. */
  readonly last: boolean;
}

export function readOffer(body: JsonObject): MirrorOffer {
  return {
    lineage: readLineage(body.lineage),
    entries: readMirrorEntries(body.entries),
    last: asBoolean(body.last, true),
  };
}

export function readMirrorPush(body: JsonObject): MirrorPush {
  return {
    reset: body.reset === undefined ? undefined : readLineage(body.reset),
    seq: asNumber(body.seq, 0),
    entries: readMirrorEntries(body.entries),
    rank: body.rank === undefined ? undefined : asNumber(body.rank, 0),
    last: asBoolean(body.last, false),
  };
}

/** At least one part, so that an empty state is told too. */
export function parts<T>(items: readonly T[]): readonly (readonly T[])[] {
  const result: T[][] = [];
  for (let start = 0; start === 0 || start < items.length; start += MIRROR_PART)
    result.push(items.slice(start, start + MIRROR_PART));
  return result;
}
