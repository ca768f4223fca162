import { ErrorCode, violation } from "./errors.js";
import { DEFAULT_MAX_FRAME_SIZE, DEFAULT_WINDOW, MAX_WINDOW } from "./frames/frame-types.js";
import type { ResolvedOptions } from "./options.js";

/** Identifiers of SETTINGS parameters (RFC 9113 §6.5.2). */
export const HEADER_TABLE_SIZE = 0x1;
export const ENABLE_PUSH = 0x2;
export const MAX_CONCURRENT_STREAMS = 0x3;
export const INITIAL_WINDOW_SIZE = 0x4;
export const MAX_FRAME_SIZE = 0x5;
export const MAX_HEADER_LIST_SIZE = 0x6;

type Entry = readonly [id: number, value: number];

/** What this side announces; the protocol's defaults stand for the rest. */
export function localSettings(role: "client" | "server", options: ResolvedOptions): readonly Entry[] {
  const shared: readonly Entry[] = [
    [INITIAL_WINDOW_SIZE, options.initialWindowSize],
    [MAX_HEADER_LIST_SIZE, options.maxHeaderListSize],
  ];
  return role === "client"
    ? [[ENABLE_PUSH, 0], ...shared]
    : [[MAX_CONCURRENT_STREAMS, options.maxConcurrentStreams], ...shared];
}

/** What the peer announced, or the protocol's defaults. */
export interface PeerSettings {
  readonly headerTableSize: number;
  /** Infinity when the peer named none. */
  readonly maxConcurrentStreams: number;
  readonly initialWindowSize: number;
  readonly maxFrameSize: number;
  /** Infinity when the peer named none. Advisory. */
  readonly maxHeaderListSize: number;
}

export const DEFAULT_PEER_SETTINGS: PeerSettings = Object.freeze({
  headerTableSize: 4096,
  maxConcurrentStreams: Infinity,
  initialWindowSize: DEFAULT_WINDOW,
  maxFrameSize: DEFAULT_MAX_FRAME_SIZE,
  maxHeaderListSize: Infinity,
});

/**
 * The settings after a SETTINGS payload, `bytes[start, end)`, a multiple of six. Parameters apply in order, unknown ones
 * are skipped. Throws ConnectionError on a value out of range.
 */
export function applySettings(
  old: PeerSettings,
  fromServer: boolean,
  bytes: Uint8Array,
  start: number,
  end: number,
): PeerSettings {
  const next = { ...old };
  for (let at = start; at < end; at += 6) {
    const id = (bytes[at]! << 8) | bytes[at + 1]!;
    const value = ((bytes[at + 2]! << 24) | (bytes[at + 3]! << 16) | (bytes[at + 4]! << 8) | bytes[at + 5]!) >>> 0;
    switch (id) {
      case HEADER_TABLE_SIZE:
        next.headerTableSize = value;
        break;
      case ENABLE_PUSH:
        // A server has nobody to allow pushing to.
        if (value > (fromServer ? 0 : 1)) throw violation(ErrorCode.PROTOCOL_ERROR, `SETTINGS_ENABLE_PUSH of ${value}`);
        break;
      case MAX_CONCURRENT_STREAMS:
        next.maxConcurrentStreams = value;
        break;
      case INITIAL_WINDOW_SIZE:
        if (value > MAX_WINDOW) {
          throw violation(ErrorCode.FLOW_CONTROL_ERROR, `SETTINGS_INITIAL_WINDOW_SIZE of ${value}`);
        }
        next.initialWindowSize = value;
        break;
      case MAX_FRAME_SIZE:
        if (value < DEFAULT_MAX_FRAME_SIZE || value > 0xff_ffff) {
          throw violation(ErrorCode.PROTOCOL_ERROR, `SETTINGS_MAX_FRAME_SIZE of ${value}`);
        }
        next.maxFrameSize = value;
        break;
      case MAX_HEADER_LIST_SIZE:
        next.maxHeaderListSize = value;
        break;
      default:
        break;
    }
  }
  return next;
}
