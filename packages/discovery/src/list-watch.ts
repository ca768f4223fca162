import { Mailbox, offAbort, onAbort, type Timer } from "@dubhe/concurrency";
import type { DiscoveryContext } from "./discovery-context.js";
import { FirstAnswer } from "./first-answer.js";
import type { FullList, ListChange, ListTable } from "./list-table.js";
import type { InstancesWatch, Registry } from "./registry.js";

/** One view's interest in a list. Called synchronously, after the state has changed. */
export interface ListObserver<T> {
  entriesChanged(change: ListChange<T>): void;
  /** Last of a batch of calls, and alone when only errors or staleness changed. */
  listChanged(): void;
}

export type ListEvent<T> =
  | ({ readonly kind: "list" } & FullList<T>)
  | { readonly kind: "error"; readonly epoch: number; readonly error: Error };

/** What is watched. */
export interface ListSubject<T> {
  readonly registry: Registry;
  /** For messages: `shop in nacos://…`. */
  readonly where: string;
  /** What events of discovery say of it. */
  readonly names: { readonly registryId: string; readonly application: string; readonly serviceInterface?: string };
  /** What is listed: `instance`, `provider`. */
  readonly entry: string;
  readonly table: ListTable<T>;
  watch(sink: (event: ListEvent<T>) => void): InstancesWatch;
}

type Message<T> = { readonly kind: "event"; readonly event: ListEvent<T> } | { readonly kind: "timer" };

/**
 * The one watch of one list in one registry, shared by every view that needs it: applies what the registry says, by (epoch,
 * seq), to the table of its entries, keeps the last good state through errors, and tells the views.
 *
 * In a burst, a list that comes within `coalesceMs` of the last applied one is held, and only the newest of those held is
 * applied; the first list after a quiet time applies at once (D-62).
 */
export class ListWatch<T, O extends ListObserver<T> = ListObserver<T>> {
  readonly registry: Registry;
  readonly table: ListTable<T>;
  protected readonly observers: Set<O> = new Set();
  readonly #subject: ListSubject<T>;
  readonly #context: DiscoveryContext;
  readonly #mailbox: Mailbox<Message<T>>;
  readonly #handle: InstancesWatch;
  readonly #firstAnswer: FirstAnswer;
  /** Those who wait for a list that can be relied on; asked after each message. */
  readonly #readers = new Set<() => void>();
  /** How many lists were applied, also those that changed nothing. */
  #answers = 0;
  #error: Error | undefined;
  #keptReason: "empty" | "new-session" | undefined;
  #held: FullList<T> | undefined;
  #applyAt = 0;
  #heardAt: number;
  #refreshAt = Infinity;
  /** A refresh was asked for, and nothing has been heard since. */
  #asked = false;
  #silent = false;
  #toldStatus = "";
  #timer: Timer | undefined;
  #timerAt = Infinity;
  #closed = false;

  constructor(context: DiscoveryContext, subject: ListSubject<T>) {
    this.#context = context;
    this.#subject = subject;
    this.registry = subject.registry;
    this.table = subject.table;
    this.#mailbox = new Mailbox(context.runtime, (message) => this.#handleMessage(message));
    this.#firstAnswer = new FirstAnswer(context.runtime.clock, context.settings.firstAnswerMs, () => {
      for (const observer of this.observers) observer.listChanged();
    });
    this.#heardAt = context.runtime.clock.now();
    this.#handle = subject.watch((event) => void this.#mailbox.post({ kind: "event", event }));
    this.#refreshAt = this.#nextRefresh(this.#heardAt);
    context.hub.counters.instanceWatches++;
    this.#schedule();
  }

  /** There was a list. */
  get known(): boolean {
    return this.table.known;
  }

  /** The newest answer was an error. */
  get error(): Error | undefined {
    return this.#error;
  }

  /** Errors instead of a first list, and for so long that they are the answer. */
  get failed(): boolean {
    return this.#firstAnswer.overdue;
  }

  /** Why what is known may be out of date. */
  get stale(): Error | undefined {
    const { where, entry } = this.#subject;
    if (this.#error !== undefined) return this.#error;
    if (this.#silent) {
      const seconds = Math.round((this.#context.runtime.clock.now() - this.#heardAt) / 1000);
      return new Error(`no answer about ${where} for ${seconds} s`);
    }
    const kept = this.table.kept;
    if (kept?.reason === "empty")
      return new Error(`${where}: the registry lists no ${entry} any more; the last ${kept.count} are kept for now`);
    if (kept !== undefined)
      return new Error(`${where}: ${kept.count} ${entry}s are not confirmed by the registry's new session yet`);
    return undefined;
  }

  now(): number {
    return this.#context.runtime.clock.now();
  }

  observe(observer: O): void {
    this.observers.add(observer);
  }

  unobserve(observer: O): void {
    this.observers.delete(observer);
  }

  /**
   * The entries by a list that the registry has sent since: where pushes can be lost, it is asked for one. Waits while reads fail
   * and while anything is kept that the registry does not list; rejects when `signal` fires.
   */
  read(signal: AbortSignal): Promise<readonly T[]> {
    return new Promise((resolve, reject) => {
      const upToDate = this.known && this.#handle.refresh === undefined;
      const from = upToDate ? -1 : this.#answers;
      const look = (): void => {
        if (!this.known || this.stale !== undefined || this.#answers <= from) return;
        end();
        resolve([...this.table.values()]);
      };
      const abort = (): void => {
        end();
        reject(signal.reason);
      };
      const end = (): void => {
        this.#readers.delete(look);
        offAbort(signal, abort);
      };
      if (signal.aborted) return reject(signal.reason);
      this.#readers.add(look);
      onAbort(signal, abort);
      if (this.known) this.#handle.refresh?.();
      look();
    });
  }

  /** Resolves when the registry has cancelled the watch. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#mailbox.close();
    this.#firstAnswer.close();
    this.#timer?.cancel();
    this.observers.clear();
    await this.#handle[Symbol.asyncDispose]();
  }

  inspect(): Readonly<Record<string, unknown>> {
    return {
      registry: this.registry.id,
      known: this.known,
      epoch: this.table.epoch,
      seq: this.table.seq,
      [`${this.#subject.entry}s`]: this.table.size,
      kept: this.table.kept ?? null,
      malformed: this.table.malformed,
      views: this.observers.size,
      stale: this.stale?.message ?? null,
    };
  }

  protected get closed(): boolean {
    return this.#closed;
  }

  /** Something changed before the observers are told. */
  protected applied(_change: ListChange<T>): void {}

  #handleMessage(message: Message<T>): void {
    const now = this.#context.runtime.clock.now();
    if (message.kind === "timer") this.#onTimer(now);
    else if (message.event.kind === "error") this.#onError(message.event.epoch, message.event.error, now);
    else this.#onList(message.event, now);
    this.#tellStatus();
    for (const look of [...this.#readers]) look();
    this.#schedule();
  }

  #onList(list: FullList<T>, now: number): void {
    this.#context.hub.counters.instanceLists++;
    this.#heard(now);
    const held = this.#held;
    const older = this.table.isOlder(list);
    if (older !== false) return this.#superseded(list, older);
    if (held !== undefined && (list.epoch < held.epoch || (list.epoch === held.epoch && list.seq < held.seq))) {
      return this.#superseded(list, list.epoch < held.epoch ? "old-epoch" : "old-seq");
    }
    if (held !== undefined) this.#superseded(held, "burst");
    this.#held = undefined;
    // The first list of a session is applied whatever the burst: what it lists counts as confirmed.
    if (now < this.#applyAt && list.epoch === this.table.epoch) this.#held = list;
    else this.#apply(list, now);
  }

  #onError(epoch: number, error: Error, now: number): void {
    if (epoch < this.table.epoch) return;
    const { counters } = this.#context.hub;
    counters.instanceErrors++;
    this.#heard(now);
    this.#applyHeld(now);
    if (!this.known) this.#firstAnswer.failed();
    const first = this.#error === undefined;
    this.#error = error;
    if (first) this.#tellKept("error", this.table.size, error.message);
  }

  #onTimer(now: number): void {
    this.#timerAt = Infinity;
    if (this.#held !== undefined && now >= this.#applyAt) this.#applyHeld(now);
    const kept = this.table.kept;
    const change = this.table.expire(now, this.#error !== undefined);
    if (kept !== undefined && change.removed.length > 0) {
      this.#context.hub.emit({
        type: "instances-released",
        ...this.#subject.names,
        reason: kept.reason,
        released: change.removed.length,
      });
      this.#tellChange(change);
    }
    if (now >= this.#refreshAt) this.#refresh(now);
  }

  #applyHeld(now: number): void {
    const held = this.#held;
    if (held === undefined) return;
    this.#held = undefined;
    this.#apply(held, now);
  }

  #apply(list: FullList<T>, now: number): void {
    const { hub, settings } = this.#context;
    const result = this.table.apply(list, now);
    if (result.kind === "superseded") return this.#superseded(list, result.reason);
    this.#answers++;
    this.#firstAnswer.answered();
    this.#applyAt = now + settings.coalesceMs;
    this.#error = undefined;
    this.#tellMalformed();
    const kept = this.table.kept;
    if (kept !== undefined && kept.reason !== this.#keptReason) {
      this.#tellKept(kept.reason, kept.count, this.stale?.message ?? "");
    }
    this.#keptReason = kept?.reason;
    if (result.kind === "kept") {
      hub.counters.listsKept++;
      return;
    }
    hub.counters.listsApplied++;
    if (hub.active) {
      hub.emit({
        type: "instances-applied",
        ...this.#subject.names,
        epoch: list.epoch,
        seq: list.seq,
        upserted: result.upserted.length,
        removed: result.removed.length,
        total: this.table.size,
      });
    }
    this.#tellChange(result);
  }

  #tellChange(change: ListChange<T>): void {
    if (change.upserted.length + change.removed.length === 0) return;
    this.applied(change);
    for (const observer of this.observers) observer.entriesChanged(change);
    this.#toldStatus = this.#status();
    for (const observer of this.observers) observer.listChanged();
  }

  /** Most answers to a refresh say what is known already: then nobody is told. */
  #tellStatus(): void {
    const status = this.#status();
    if (status === this.#toldStatus) return;
    this.#toldStatus = status;
    for (const observer of this.observers) observer.listChanged();
  }

  /** What views show of this watch besides instances, to tell whether it changed. */
  #status(): string {
    const { known, kept, malformed } = this.table;
    return JSON.stringify([known, this.#error?.message, this.#silent, kept?.reason, kept?.count, malformed]);
  }

  #heard(now: number): void {
    this.#heardAt = now;
    this.#asked = false;
    this.#silent = false;
    this.#refreshAt = this.#nextRefresh(now);
  }

  /** The registry was silent for a validity period: ask. Silent for another one after being asked: what is known is stale. */
  #refresh(now: number): void {
    this.#refreshAt = this.#nextRefresh(now);
    this.#silent = this.#asked;
    this.#asked = true;
    this.#context.hub.counters.refreshes++;
    this.#handle.refresh?.();
  }

  /** Never for a registry that cannot be asked, because it loses no push: there, silence is an answer. */
  #nextRefresh(now: number): number {
    if (this.#handle.refresh === undefined) return Infinity;
    return now + this.#context.settings.ttlMs * (0.8 + 0.4 * this.#context.runtime.random.next());
  }

  #schedule(): void {
    if (this.#closed) return;
    // While reads fail nothing is let go, so there is nothing to wait for but the next list.
    const kept = this.#error === undefined ? this.table.expiresAt : Infinity;
    const at = Math.min(this.#held === undefined ? Infinity : this.#applyAt, kept, this.#refreshAt);
    if (at === this.#timerAt) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    const { clock } = this.#context.runtime;
    this.#timer = clock.setTimeout(() => void this.#mailbox.post({ kind: "timer" }), Math.max(0, at - clock.now()));
  }

  #superseded(list: FullList<T>, reason: "old-epoch" | "old-seq" | "burst"): void {
    const { hub } = this.#context;
    hub.counters.listsSuperseded++;
    if (!hub.active) return;
    const { epoch, seq } = list;
    hub.emit({
      type: "instances-superseded",
      ...this.#subject.names,
      epoch,
      seq,
      reason,
    });
  }

  #tellKept(reason: "error" | "empty" | "new-session", kept: number, message: string): void {
    this.#context.hub.emit({
      type: "instances-kept",
      ...this.#subject.names,
      reason,
      kept,
      message,
    });
  }

  #tellMalformed(): void {
    const { hub } = this.#context;
    for (const { id, reason } of this.table.malformed) {
      hub.counters.instancesMalformed++;
      if (!hub.active) continue;
      hub.emit({
        type: "instance-excluded",
        ...this.#subject.names,
        instance: id,
        reason: "malformed",
        message: reason,
      });
    }
  }
}
