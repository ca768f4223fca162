import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { type Clock, offAbort, onAbort } from "@dubhe/concurrency";
import type { ClientTlsOptions } from "@dubhe/http2";
import { formatMs } from "../first-event.js";
import { addressOf, type ProbeResult, type ProbeTarget } from "./probe-result.js";
import { openSocket } from "./tcp-probe.js";
import { handshake, type ProbeTls } from "./tls-probe.js";

/** RFC 9113 §3.4, and an empty SETTINGS frame. */
const greeting = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
]);
const settingsType = 4;
/** RFC 8446 §5.1: content types of TLS records; a server that waits for a handshake answers anything else with an alert. */
const tlsAlert = 0x15;
const tlsHandshake = 0x16;

export interface Http2ProbeOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Undefined = clear text. */
  readonly tls: ProbeTls | undefined;
}

/** Connects as a Triple client would and waits for the server's SETTINGS. Resolves in any case; rejects only when `signal` fires. */
export async function http2Probe(clock: Clock, target: ProbeTarget, options: Http2ProbeOptions): Promise<ProbeResult> {
  const { timeoutMs, signal, tls } = options;
  const opened = await openSocket(clock, target, timeoutMs, signal);
  if ("problem" in opened) return opened;
  const { socket, ms: tcpMs } = opened;
  try {
    const began = clock.now();
    const secured = tls === undefined ? socket : await handshake(clock, socket, target, tls, timeoutMs, signal);
    if ("problem" in secured) return secured;
    secured.write(greeting);
    const first = await firstBytes(clock, secured, timeoutMs, signal);
    if (isSettings(first)) {
      const version = "getProtocol" in secured ? (secured as TLSSocket).getProtocol() : null;
      return { ok: true, tcpMs, http2Ms: clock.now() - began, ...(version === null ? undefined : { tls: version }) };
    }
    if (tls === undefined && (first.length === 0 || looksLikeTls(first))) {
      if (looksLikeTls(first) || (await speaksTls(clock, target, timeoutMs, signal))) {
        return {
          ok: false,
          problem: "tls-expected",
          text: `${addressOf(target)} speaks TLS, and the consumer would speak clear text: give the App \`tls\` (here: --tls)`,
        };
      }
    }
    return {
      ok: false,
      problem: "not-http2",
      text: `${addressOf(target)} is not HTTP/2: ${describe(first, timeoutMs)}`,
    };
  } finally {
    socket.destroy();
  }
}

/** What it sends first; empty when it closes or stays silent. */
function firstBytes(clock: Clock, socket: Socket, timeoutMs: number, signal: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let read = Buffer.alloc(0);
    const settle = (): void => {
      timer.cancel();
      offAbort(signal, abort);
      socket.off("data", onData).off("close", done).off("error", done);
    };
    const done = (): void => {
      settle();
      resolve(read);
    };
    const abort = (): void => {
      settle();
      reject(signal.reason);
    };
    const onData = (chunk: Buffer): void => {
      read = Buffer.concat([read, chunk]);
      if (read.length >= 9) done();
    };
    const timer = clock.setTimeout(done, timeoutMs, { ref: true });
    onAbort(signal, abort);
    socket.on("data", onData).on("close", done).on("error", done);
  });
}

/** A frame header with type SETTINGS on stream 0, which is how every HTTP/2 server begins. */
function isSettings(bytes: Buffer): boolean {
  return bytes.length >= 9 && bytes[3] === settingsType && (bytes.readUInt32BE(5) & 0x7fff_ffff) === 0;
}

function looksLikeTls(bytes: Buffer): boolean {
  return bytes.length >= 3 && (bytes[0] === tlsAlert || bytes[0] === tlsHandshake) && bytes[1] === 3;
}

/** Servers that close without a word when they are spoken to in clear text: whether a handshake succeeds tells. */
async function speaksTls(clock: Clock, target: ProbeTarget, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
  const opened = await openSocket(clock, target, timeoutMs, signal);
  if ("problem" in opened) return false;
  try {
    const options: ClientTlsOptions = { rejectUnauthorized: false };
    const tls = { options, servername: undefined };
    const secured = await handshake(clock, opened.socket, target, tls, Math.min(timeoutMs, 1_000), signal);
    return !("problem" in secured);
  } finally {
    opened.socket.destroy();
  }
}

function describe(bytes: Buffer, timeoutMs: number): string {
  if (bytes.length === 0) return `it accepts connections, and answers nothing (waited up to ${formatMs(timeoutMs)})`;
  const text = bytes.toString("latin1");
  if (text.startsWith("HTTP/1.")) return "it answers in HTTP/1.1";
  // Dubbo's magic number.
  if (bytes[0] === 0xda && bytes[1] === 0xbb) return "it speaks the dubbo protocol";
  return `it begins with ${bytes.subarray(0, 16).toString("hex")}`;
}
