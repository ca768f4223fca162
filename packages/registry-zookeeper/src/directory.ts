import type { Runtime, Timer } from "@dubhe/concurrency";
import { isCode, toError } from "./errors.js";
import { InFlight } from "./in-flight.js";
import type { NodeData } from "./operations.js";
import { join, nameOf, parentOf } from "./paths.js";
import { EventType, type WatchEvent } from "./protocol.js";
import type { ZookeeperSession } from "./session.js";

export interface DirectoryOptions<T> {
  /** One watch for the node and everything below, where the server has such; else one for the list and one for each child. */
  readonly recursive: boolean;
  /** Whether children have data worth reading. When not, `read` is given an empty one. */
  readonly data: boolean;
  /** What a child is. Must not throw. */
  decode(name: string, data: Buffer): T;
  /** For a child that is there and cannot be read. */
  unreadable(name: string, error: Error): T;
}

interface Entry<T> {
  readonly mzxid: bigint;
  readonly value: T;
}

const NO_DATA = Buffer.alloc(0);

/**
 * A node that is replaced by one of a newer session is deleted and created in one transaction, which is two events. The deleted one
 * stays in the list for so long, and is there without a gap.
 */
const LEAVING_MS = 20;

/** A list of 10 000 is pushed ten times a second at most. */
const ENTRIES_PER_MS = 100;
const LONGEST_PAUSE_MS = 100;

/**
 * The children of a node and what is in them, kept by watches: a change of one child is one read of that child (and one of the
 * list, where there are no recursive watches), however many others there are. What happens while the list is being read is
 * newer than the list.
 */
export class Directory<T> {
  readonly #runtime: Runtime;
  readonly #session: ZookeeperSession;
  readonly #path: string;
  readonly #options: DirectoryOptions<T>;
  readonly #push: (values: readonly T[]) => void;
  readonly #entries = new Map<string, Entry<T>>();
  /** The newest read of each child that is being read; an older one is void. */
  readonly #reading = new Map<string, number>();
  #reads = 0;
  /** Children that the server has been asked for, also those of which the answer is void. */
  readonly #asked = new InFlight<string>();
  /** Deleted a moment ago. */
  readonly #leaving = new Map<string, Timer>();
  /** Children with an event since the list was asked for; undefined while none is. */
  #touched: Set<string> | undefined;
  #listing: Promise<void> | undefined;
  #verifying: Promise<void> | undefined;
  #listAgain = false;
  /** The list that follows is to look at every child. */
  #verifyNext = false;
  /** A whole list has been read: until then nothing is pushed. */
  #complete = false;
  /** Changed since it was pushed, or read for the first time. */
  #dirty = false;
  #scheduled: Timer | undefined;
  #pushedAt = Number.NEGATIVE_INFINITY;
  #armed = false;
  #disposed = false;
  readonly #onEvent = (event: WatchEvent): void => this.#event(event);

  constructor(
    runtime: Runtime,
    session: ZookeeperSession,
    path: string,
    options: DirectoryOptions<T>,
    push: (values: readonly T[]) => void,
  ) {
    this.#runtime = runtime;
    this.#session = session;
    this.#path = path;
    this.#options = options;
    this.#push = push;
  }

  get values(): readonly T[] {
    return Array.from(this.#entries.values(), (entry) => entry.value);
  }

  /** From its resolution on every change is pushed, once there is a first list. Idempotent. */
  async arm(signal?: AbortSignal): Promise<void> {
    if (!this.#options.recursive || this.#armed) return;
    await this.#session.watchRecursively(this.#path, this.#onEvent, signal);
    this.#armed = true;
  }

  /**
   * Asks the server for the list, and for what is in the children that it does not know or that have changed. Joins one who asks already:
   * of 10 000 children that may take longer than a caller waits, and the next one shall not begin anew.
   */
  async read(): Promise<readonly T[]> {
    this.#verifying ??= this.#list(true).finally(() => {
      this.#verifying = undefined;
    });
    await this.#verifying;
    if (!this.#complete) this.#dirty = false; // whoever asked gets it as the answer
    this.#complete = true;
    return this.values;
  }

  async dispose(signal?: AbortSignal): Promise<void> {
    this.#disposed = true;
    this.#scheduled?.cancel();
    for (const timer of this.#leaving.values()) timer.cancel();
    this.#leaving.clear();
    const paths = [this.#path];
    if (!this.#options.recursive)
      for (const name of new Set([...this.#entries.keys(), ...this.#asked.keys()])) paths.push(join(this.#path, name));
    await Promise.all(paths.map((path) => this.#session.removeWatches(path, this.#onEvent, signal)));
  }

  /** One at a time; one that is asked for meanwhile begins when this one has ended. */
  async #list(verify: boolean): Promise<void> {
    this.#verifyNext ||= verify;
    if (this.#listing !== undefined) {
      this.#listAgain = true;
      await this.#listing.catch(() => undefined);
      if (this.#listing !== undefined) return this.#listing; // somebody else who waited began it
    }
    const all = this.#verifyNext;
    this.#listAgain = false;
    this.#verifyNext = false;
    const listing = this.#listOnce(all).finally(() => {
      this.#listing = undefined;
    });
    this.#listing = listing;
    await listing;
  }

  async #listOnce(verify: boolean): Promise<void> {
    if (this.#disposed) return;
    const touched = new Set<string>();
    this.#touched = touched;
    let names: readonly string[];
    try {
      names = (await this.#names()) ?? [];
    } finally {
      this.#touched = undefined;
    }
    const listed = new Set(names);
    for (const name of [...this.#entries.keys()]) {
      if (!listed.has(name) && !touched.has(name)) this.#remove(name);
    }
    const reads: Promise<void>[] = [];
    for (const name of names) {
      if (this.#reading.has(name)) continue; // an event has started it: newer than the list
      const known = this.#leaving.has(name) ? undefined : this.#entries.get(name);
      if (known === undefined) reads.push(this.#readChild(name));
      else if (verify && this.#options.data) reads.push(this.#verifyChild(name, known));
    }
    await Promise.all(reads);
  }

  /** Undefined: there is no such node; it is watched for. */
  async #names(): Promise<readonly string[] | undefined> {
    const watch = this.#options.recursive ? undefined : this.#onEvent;
    for (;;) {
      const names = await this.#session.children(this.#path, undefined, watch);
      if (names !== undefined || watch === undefined || this.#disposed) return names;
      if ((await this.#session.exists(this.#path, undefined, watch)) === undefined || this.#disposed) return undefined;
    }
  }

  async #verifyChild(name: string, known: Entry<T>): Promise<void> {
    const stat = await this.#session.exists(join(this.#path, name));
    if (this.#entries.get(name) !== known) return; // an event was faster
    if (stat === undefined) this.#remove(name);
    else if (stat.mzxid !== known.mzxid) await this.#readChild(name);
  }

  async #readChild(name: string): Promise<void> {
    if (this.#disposed) return;
    const read = ++this.#reads;
    this.#reading.set(name, read);
    let entry: Entry<T> | undefined;
    try {
      const node = await this.#node(name);
      if (node !== undefined) {
        const mzxid = node.stat.mzxid;
        entry = { mzxid, value: this.#options.decode(name, node.data) };
      }
    } catch (error) {
      if (!isCode(error, "NO_AUTH")) {
        // Without a connection nothing is known; the list is read again when there is one.
        if (this.#reading.get(name) === read) this.#reading.delete(name);
        throw error;
      }
      entry = { mzxid: -1n, value: this.#options.unreadable(name, toError(error)) };
    }
    if (this.#reading.get(name) !== read) return; // a newer event has started another, or has removed it
    this.#reading.delete(name);
    if (entry === undefined) this.#remove(name);
    else this.#put(name, entry);
  }

  async #node(name: string): Promise<(Pick<NodeData, "data"> & { stat: { mzxid: bigint } }) | undefined> {
    if (!this.#options.data) return { data: NO_DATA, stat: { mzxid: 0n } };
    const watch = this.#options.recursive ? undefined : this.#onEvent;
    this.#asked.begin(name);
    try {
      return await this.#session.getData(join(this.#path, name), undefined, watch);
    } finally {
      this.#asked.end(name);
    }
  }

  #event({ type, path }: WatchEvent): void {
    if (this.#disposed) return;
    if (path === this.#path) {
      if (type === EventType.deleted) for (const name of [...this.#entries.keys()]) this.#remove(name);
      if (!this.#options.recursive) this.#background(this.#listForEvent());
      return;
    }
    if (parentOf(path) !== this.#path) return;
    const name = nameOf(path);
    this.#touched?.add(name);
    if (type === EventType.deleted) {
      this.#reading.delete(name);
      this.#leave(name);
    } else {
      this.#background(this.#readChild(name));
    }
  }

  /** A list that is being read may be older than the event. */
  async #listForEvent(): Promise<void> {
    if (this.#listing !== undefined && this.#listAgain) return; // another one follows already
    await this.#list(false);
  }

  /** Failures are those of the connection, after which everything is read again. */
  #background(work: Promise<void>): void {
    work.catch(() => undefined);
  }

  #put(name: string, entry: Entry<T>): void {
    this.#stay(name);
    this.#entries.set(name, entry);
    this.#changed();
  }

  #leave(name: string): void {
    if (!this.#entries.has(name) || this.#leaving.has(name)) return;
    const timer = this.#runtime.clock.setTimeout(() => {
      this.#leaving.delete(name);
      if (!this.#reading.has(name)) this.#remove(name); // else the read decides
    }, LEAVING_MS);
    this.#leaving.set(name, timer);
  }

  #stay(name: string): void {
    this.#leaving.get(name)?.cancel();
    this.#leaving.delete(name);
  }

  #remove(name: string): void {
    this.#stay(name);
    if (this.#entries.delete(name)) this.#changed();
  }

  /** The first change is pushed in the next turn; a burst that goes on, once in so many milliseconds as the list is long. */
  #changed(): void {
    this.#dirty = true;
    if (this.#scheduled !== undefined || this.#disposed) return;
    const { clock } = this.#runtime;
    const pauseMs = Math.min(LONGEST_PAUSE_MS, this.#entries.size / ENTRIES_PER_MS);
    const wait = this.#pushedAt + pauseMs - clock.now();
    const push = (): void => this.#pushNow();
    this.#scheduled = wait < 1 ? clock.nextTurn(push) : clock.setTimeout(push, wait);
  }

  #pushNow(): void {
    this.#scheduled = undefined;
    if (!this.#dirty || !this.#complete || this.#disposed) return;
    this.#dirty = false;
    this.#pushedAt = this.#runtime.clock.now();
    this.#push(this.values);
  }
}
