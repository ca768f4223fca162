import type { Clock } from "@dubhe/concurrency";
import type { JsonObject } from "../json.js";
import { within } from "../pause.js";
import type { SessionLink } from "../session.js";
import { Mirror, type Seed } from "./mirror.js";
import { MirrorType, parts, readMirrorPush } from "./mirror-messages.js";

/** Of the whole state, which comes in parts. */
const COPY_TIMEOUT_MS = 10_000;

export interface MirrorCounters {
  copies: number;
  changes: number;
  offered: number;
}

/** This process's copy of the host's state: fetched in every new session, then followed. */
export class MirrorClient {
  readonly counters: MirrorCounters = { copies: 0, changes: 0, offered: 0 };
  readonly #clock: Clock;
  readonly #since: number;
  /** Complete at all times: a new copy takes its place only when all of it is there. */
  #mirror = new Mirror();
  #incoming: Mirror | undefined;
  #rank: number | undefined;
  #complete: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#since = clock.wallTime();
  }

  /** Names of the configurations in a group. */
  configNames(tenant: string, group: string): readonly string[] {
    const names: string[] = [];
    for (const entry of this.#mirror.entries())
      if (entry.kind === "config" && entry.tenant === tenant && entry.group === group && entry.content !== null)
        names.push(entry.dataId);
    return names;
  }

  get size(): number {
    return this.#mirror.size;
  }

  /** Our place in the line of successors, as the host last told it. */
  get rank(): number | undefined {
    return this.#rank;
  }

  /** Whether this process has ever been connected to a host. */
  get known(): boolean {
    return this.#mirror.lineage.host !== "";
  }

  /** What a new host begins with. */
  seed(isDead: (pid: number) => boolean): Seed | undefined {
    return this.known ? this.#mirror.seed(isDead) : undefined;
  }

  /**
   * First tells the host what it may not have: it may have started from nothing while we still knew. Then fetches its
   * state, and resolves when that is here. Before that, nobody in this process sees the session.
   */
  async synchronise(link: SessionLink, isDead: (pid: number) => boolean, signal: AbortSignal): Promise<void> {
    const seed = this.seed(isDead);
    if (seed !== undefined) {
      const all = parts(seed.entries);
      for (const [index, entries] of all.entries()) {
        this.counters.offered += entries.length;
        await link.request(MirrorType.offer, { lineage: seed.lineage, entries, last: index === all.length - 1 });
      }
    }
    this.#incoming = undefined;
    const complete = new Promise<void>((resolve) => {
      this.#complete = resolve;
    });
    await link.request(MirrorType.request, { since: this.#since });
    await within(this.#clock, complete, COPY_TIMEOUT_MS, "the host did not send its state in time", signal);
  }

  /** Takes a push of the host in; returns the rank, if that is what it told. */
  received(body: JsonObject): number | undefined {
    const push = readMirrorPush(body);
    if (push.rank !== undefined) {
      this.#rank = push.rank;
      return push.rank;
    }
    if (push.reset !== undefined) {
      this.#incoming = new Mirror();
      this.#incoming.reset(push.reset);
    } else if (this.#incoming === undefined) {
      this.counters.changes += 1;
    }
    (this.#incoming ?? this.#mirror).apply(push.entries, push.seq);
    if (!push.last || this.#incoming === undefined) return undefined;
    this.#mirror = this.#incoming;
    this.#incoming = undefined;
    this.counters.copies += 1;
    this.#complete?.();
    this.#complete = undefined;
    return undefined;
  }
}
