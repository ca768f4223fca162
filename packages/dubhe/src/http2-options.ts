import type { ConnectionOptions, KeepaliveOptions } from "@dubhe/http2";
import { keysOf, rejectUnknownKeys } from "./option-keys.js";

export const connectionKeys: readonly string[] = keysOf<ConnectionOptions>({
  initialWindowSize: 1,
  connectionWindowSize: 1,
  receiveBufferLimit: 1,
  receiveBufferTotal: 1,
  sendBufferLimit: 1,
  sendBufferTotal: 1,
  stallGraceMs: 1,
  sendStallTimeoutMs: 1,
  maxConcurrentStreams: 1,
  maxHeaderListSize: 1,
  handshakeTimeoutMs: 1,
  settingsAckTimeoutMs: 1,
  frameTimeoutMs: 1,
  keepalive: 1,
  tcpKeepaliveMs: 1,
  maxConnectionIdleMs: 1,
  maxConnectionAgeMs: 1,
  maxConnectionAgeGraceMs: 1,
});

const keepaliveKeys = keysOf<KeepaliveOptions>({ intervalMs: 1, timeoutMs: 1, whenIdle: 1, maxPingsWithoutData: 1 });

/** Throws a TypeError on a name that is none; values are checked where the options are used first, by @dubhe/http2. */
export function checkHttp2Keys(
  what: string,
  options: ConnectionOptions | undefined,
  more: readonly string[] = [],
): void {
  if (options === undefined) return;
  rejectUnknownKeys(`${what}'s http2`, options, [...connectionKeys, ...more]);
  const { keepalive } = options;
  if (typeof keepalive === "object") rejectUnknownKeys(`${what}'s http2.keepalive`, keepalive, keepaliveKeys);
}
