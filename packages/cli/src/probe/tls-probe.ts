import type { Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { type Clock, offAbort, onAbort } from "@dubhe/concurrency";
import type { ClientTlsOptions } from "@dubhe/http2";
import { formatMs } from "../first-event.js";
import { addressOf, type ProbeResult, type ProbeTarget } from "./probe-result.js";
import { openSocket } from "./tcp-probe.js";

export interface ProbeTls {
  readonly options: ClientTlsOptions | undefined;
  readonly servername: string | undefined;
}

/**
 * Whether a server speaks TLS at all. Its certificate is looked at, not judged: who is trusted is a matter of its client's
 * own configuration, and what that thinks is seen when it connects.
 */
export async function tlsProbe(
  clock: Clock,
  target: ProbeTarget,
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<{ readonly ok: boolean; readonly text: string }> {
  const opened = await openSocket(clock, target, timeoutMs, signal);
  if ("problem" in opened) return opened;
  try {
    const tls: ProbeTls = { options: { rejectUnauthorized: false }, servername: undefined };
    const secured = await handshake(clock, opened.socket, target, tls, timeoutMs, signal);
    if ("problem" in secured) return secured;
    const { subject, valid_to: until } = secured.getPeerCertificate();
    const name = subject?.CN === undefined ? "" : `, certificate of ${String(subject.CN)} until ${until}`;
    return { ok: true, text: `${addressOf(target)} speaks ${secured.getProtocol()}${name}` };
  } finally {
    opened.socket.destroy();
  }
}

/** TLS over a connected socket, with ALPN h2. The caller destroys the socket. */
export async function handshake(
  clock: Clock,
  socket: Socket,
  target: ProbeTarget,
  tls: ProbeTls,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<TLSSocket | Extract<ProbeResult, { ok: false }>> {
  const servername = tls.servername ?? (/^[\d.]+$|:/.test(target.host) ? undefined : target.host);
  const secured = connectTls({
    ...tls.options,
    socket,
    host: target.host,
    ALPNProtocols: ["h2"],
    ...(servername === undefined ? undefined : { servername }),
  });
  const failed = (problem: "no-tls" | "certificate" | "silent", text: string): Extract<ProbeResult, { ok: false }> => ({
    ok: false,
    problem,
    text: `${addressOf(target)}: ${text}`,
  });
  return await new Promise((resolve, reject) => {
    const settle = (): void => {
      timer.cancel();
      offAbort(signal, abort);
      secured.removeAllListeners("error").removeAllListeners("secureConnect").removeAllListeners("close");
      secured.on("error", () => {});
    };
    const abort = (): void => {
      settle();
      reject(signal.reason);
    };
    const timer = clock.setTimeout(
      () => {
        settle();
        resolve(failed("silent", `no TLS handshake within ${formatMs(timeoutMs)}`));
      },
      timeoutMs,
      { ref: true },
    );
    onAbort(signal, abort);
    secured.once("secureConnect", () => {
      settle();
      resolve(secured);
    });
    // Of what OpenSSL says only the reason is for people: the message has its error queue, with lines of its source.
    secured.once("error", (error: NodeJS.ErrnoException & { readonly reason?: string }) => {
      settle();
      resolve(
        isCertificateError(error)
          ? failed("certificate", `its certificate is not accepted: ${error.message}`)
          : failed("no-tls", `it does not speak TLS, or not with us: ${error.reason ?? error.message}`),
      );
    });
    secured.once("close", () => {
      settle();
      resolve(failed("no-tls", "it closed the connection during the TLS handshake: it may speak clear text"));
    });
  });
}

function isCertificateError({ code = "", message }: NodeJS.ErrnoException): boolean {
  return /CERT|SELF_SIGNED|UNABLE_TO|ALTNAME/.test(code) || /certificate/.test(message);
}
