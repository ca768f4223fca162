import type { Runtime } from "@dubhe/concurrency";
import { toError } from "../errors.js";
import type { NacosEventListener } from "../events.js";
import { RequestType } from "../messages.js";
import { pause } from "../pause.js";
import type { Envelope } from "../payload.js";
import type { Link, LinkRequestOptions, ServerAddress, Transport } from "../transport.js";
import { LOOPBACK, nacosUrlOf } from "./config.js";
import type { HostHandle, HostStarter } from "./host-starter.js";
import { MARKER_PROTOCOL, markerOf, readMarker } from "./marker.js";
import type { MirrorClient } from "./mirror-client.js";
import { describeHolder, findPortHolder } from "./port-holder.js";

export interface EmbeddedTransportOptions {
  readonly port: number;
  readonly inner: Transport;
  readonly starter: HostStarter;
  readonly mirror: MirrorClient;
  readonly onEvent?: NacosEventListener | undefined;
  /** Of the hosts that this process starts; for tests. */
  readonly startingMs?: number | undefined;
  readonly confirmMs?: number | undefined;
}

export interface ElectionCounters {
  /** Hosts started by this process. */
  won: number;
  /** Another process had the port first. */
  lost: number;
}

/** The port belongs to something else, which has not been told anything about us. */
export class ForeignPortError extends Error {
  override readonly name = "ForeignPortError";
}

/**
 * After the loss of a host its successor takes over at once. The next in line waits so long for it, and so on: otherwise
 * all would start a thread at the same moment, and slow each other down.
 */
const RANK_STEP_MS = 500;
const LONGEST_WAIT_MS = 1_500;
/** One that has never been connected cannot tell a first start from a takeover: it leaves a successor the time to bind. */
const NEWCOMER_WAIT_MS = 200;
/** Those who wait look whether there is a host after a random part of this. */
const LOOK_MS = 60;
/** A loser connects after a random part of this. */
const LOSER_JITTER_MS = 200;
/** Lost elections, after which the attempt counts as failed and the session's backoff decides. */
const ROUNDS = 3;

/**
 * Connects to the host of this machine, or becomes it.
 *
 *     connect ──▶ connected ──(ServerCheck shows a marker)──▶ a link
 *        │            └──(no marker, or nonsense)──▶ ForeignPortError, which names what to do
 *        ├─(refused)─▶ wait for those before us in line ─▶ connect
 *        │          └─▶ our turn: start a host, bind ──▶ connect
 *        │                  └─(in use: another was first)─▶ wait a little ─▶ connect
 *        └─(silent, reset)─▶ ForeignPortError
 */
export class EmbeddedTransport implements Transport {
  readonly counters: ElectionCounters = { won: 0, lost: 0 };
  readonly #runtime: Runtime;
  readonly #options: EmbeddedTransportOptions;
  #host: HostHandle | undefined;
  /** Of the host that we were last connected to; 0 = none yet. */
  #hostPid = 0;
  #closed = false;

  constructor(runtime: Runtime, options: EmbeddedTransportOptions) {
    this.#runtime = runtime;
    this.#options = options;
  }

  /** Whether this process is the host. */
  get hosting(): boolean {
    return this.#host !== undefined;
  }

  get hostPid(): number {
    return this.#hostPid;
  }

  async connect(server: ServerAddress, receive: (message: Envelope) => void, signal: AbortSignal): Promise<Link> {
    const { clock, random } = this.#runtime;
    const { inner, mirror } = this.#options;
    const { rank } = mirror;
    const waitMs = rank === undefined ? NEWCOMER_WAIT_MS : Math.min(LONGEST_WAIT_MS, rank * RANK_STEP_MS);
    const standUpAt = clock.now() + waitMs;
    for (let lost = 0; ; ) {
      try {
        const link = await inner.connect(server, receive, signal);
        return new MarkedLink(
          link,
          (answer) => this.#verify(answer),
          (error) => this.#foreign(error),
        );
      } catch (error) {
        signal.throwIfAborted();
        if (!isRefused(error)) throw await this.#foreign(error);
        if (lost >= ROUNDS) throw error;
      }
      if (clock.now() < standUpAt) {
        await pause(clock, random.next() * LOOK_MS, signal);
      } else if (!(await this.#becomeHost())) {
        lost += 1;
        await pause(clock, random.next() * LOSER_JITTER_MS, signal);
      }
      signal.throwIfAborted();
    }
  }

  /** Ends the host that this process runs, if it runs one. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#options.starter.discard?.();
    await this.#host?.close();
  }

  /** The host told this process its place in the line of successors. */
  ranked(rank: number): void {
    if (this.#closed || this.hosting) return;
    if (rank === 0) this.#options.starter.prepare?.();
    else this.#options.starter.discard?.();
  }

  /** False when another process was first. */
  async #becomeHost(): Promise<boolean> {
    const { port, starter, mirror, onEvent, startingMs, confirmMs } = this.#options;
    let host: HostHandle;
    try {
      host = await starter.start({ port, pid: process.pid, seed: mirror.seed(isDead), startingMs, confirmMs });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
      this.counters.lost += 1;
      onEvent?.({ kind: "election-lost", port });
      return false;
    }
    this.counters.won += 1;
    this.#host = host;
    onEvent?.({ kind: "host-started", port });
    void host.ended.then(() => {
      if (this.#host === host) this.#host = undefined;
      onEvent?.({ kind: "host-ended", port });
    });
    if (this.#closed) await host.close();
    return true;
  }

  /** What answered is a Dubhe host, or an error is thrown before it hears more. */
  async #verify(answer: Envelope): Promise<void> {
    const marker = readMarker(answer.body);
    if (marker?.protocol === MARKER_PROTOCOL) {
      this.#hostPid = marker.pid;
      return;
    }
    const { port } = this.#options;
    const holder = describeHolder(await findPortHolder(port));
    const other = `embedded://${LOOPBACK}:${port + 1}`;
    throw new ForeignPortError(
      marker === undefined
        ? `${LOOPBACK}:${port} is held by ${holder}, a Nacos server and not a Dubhe embedded registry. If that is the registry you mean, ` +
            `pass registry: "${nacosUrlOf(port)}"; to keep the embedded one, pass another port: "${other}"`
        : `${LOOPBACK}:${port} is held by ${holder}, an embedded registry of another version of Dubhe (protocol ${marker.protocol}, ` +
            `ours ${MARKER_PROTOCOL}). Use one version, or pass another port: "${other}"`,
    );
  }

  async #foreign(cause: unknown): Promise<Error> {
    const { port } = this.#options;
    const holder = await findPortHolder(port);
    // A host that was just ending: the next attempt finds its successor.
    if (holder === "nobody") return toError(cause);
    const why = toError(cause).message;
    const ours = holder !== undefined && holder.pid === this.#hostPid;
    return new ForeignPortError(
      ours
        ? `the embedded registry at ${LOOPBACK}:${port}, ${describeHolder(holder)}, does not answer (${why}); if it is stopped or hangs, end it, and another process takes over`
        : `${LOOPBACK}:${port} is held by ${describeHolder(holder)}, which does not answer as a Dubhe embedded registry (${why}). ` +
            `End it, or pass another port: registry: "embedded://${LOOPBACK}:${port + 1}"`,
      { cause },
    );
  }
}

/** Shows our marker with ServerCheck, and lets nothing else pass before the host's was seen. */
class MarkedLink implements Link {
  readonly closed: Promise<Error | undefined>;
  readonly #link: Link;
  readonly #verify: (answer: Envelope) => Promise<void>;
  readonly #foreign: (error: unknown) => Promise<Error>;

  constructor(link: Link, verify: (answer: Envelope) => Promise<void>, foreign: (error: unknown) => Promise<Error>) {
    this.closed = link.closed;
    this.#link = link;
    this.#verify = verify;
    this.#foreign = foreign;
  }

  async request(type: string, body: object, options: LinkRequestOptions): Promise<Envelope> {
    if (type !== RequestType.serverCheck) return this.#link.request(type, body, options);
    let answer: Envelope;
    try {
      answer = await this.#link.request(type, { ...body, ...markerOf(process.pid) }, options);
    } catch (error) {
      if (options.signal?.aborted) throw error;
      throw await this.#foreign(error);
    }
    await this.#verify(answer);
    return answer;
  }

  send(type: string, body: object, headers?: Readonly<Record<string, string>>): void {
    this.#link.send(type, body, headers);
  }

  close(): Promise<void> {
    return this.#link.close();
  }

  destroy(reason?: Error): void {
    this.#link.destroy(reason);
  }
}

function isRefused(error: unknown): boolean {
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    if ((cause as NodeJS.ErrnoException).code === "ECONNREFUSED" || cause.message.includes("ECONNREFUSED")) return true;
  }
  return false;
}

/** Whether a process of this machine is gone. Signal 0 only asks. */
export function isDead(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}
