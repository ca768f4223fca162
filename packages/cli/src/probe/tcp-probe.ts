import { connect, type Socket } from "node:net";
import { type Clock, offAbort, onAbort } from "@dubhe/concurrency";
import { formatMs } from "../first-event.js";
import { addressOf, connectFailure, type ProbeResult, type ProbeTarget } from "./probe-result.js";

/** Opens a TCP connection and closes it. Resolves in any case; rejects only when `signal` fires. */
export async function tcpProbe(
  clock: Clock,
  target: ProbeTarget,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const opened = await openSocket(clock, target, timeoutMs, signal);
  if ("problem" in opened) return opened;
  opened.socket.destroy();
  return { ok: true, tcpMs: opened.ms };
}

/** A connected socket, or why there is none. The caller destroys it. */
export async function openSocket(
  clock: Clock,
  target: ProbeTarget,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<{ readonly socket: Socket; readonly ms: number } | Extract<ProbeResult, { ok: false }>> {
  signal.throwIfAborted();
  const began = clock.now();
  const socket = connect({ host: target.host, port: target.port });
  return await new Promise((resolve, reject) => {
    const settle = (): void => {
      timer.cancel();
      offAbort(signal, abort);
      socket.removeAllListeners();
      // Whatever happens to it later is for those who use it; until then it must not crash the process.
      socket.on("error", ignore);
    };
    const fail = (result: ProbeResult): void => {
      settle();
      socket.destroy();
      resolve(result as Extract<ProbeResult, { ok: false }>);
    };
    const abort = (): void => {
      settle();
      socket.destroy();
      reject(signal.reason);
    };
    const timer = clock.setTimeout(
      () =>
        fail({
          ok: false,
          problem: "silent",
          text: `${addressOf(target)} does not answer: no connection within ${formatMs(timeoutMs)} (a firewall, or the host is gone)`,
        }),
      timeoutMs,
      { ref: true },
    );
    onAbort(signal, abort);
    socket.once("error", (error) => fail(connectFailure(target, error)));
    socket.once("connect", () => {
      settle();
      resolve({ socket, ms: clock.now() - began });
    });
  });
}

function ignore(): void {}
