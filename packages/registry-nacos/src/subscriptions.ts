import { type BackoffOptions, type KeyStatus, Reconciler, type Runtime, type Timer } from "@dubhe/concurrency";
import type { InstancesEvent, InstancesWatch } from "@dubhe/discovery";
import { isInterfaceService } from "./dubbo-names.js";
import { NacosError, toError } from "./errors.js";
import type { NacosEventListener } from "./events.js";
import { applicationOf } from "./instance-codec.js";
import { type InstanceList, type ListCounters, lastRefTimeOf, readList, type WantedList } from "./instance-list.js";
import { asObject, asString, type JsonObject } from "./json.js";
import { ListQueue } from "./list-queue.js";
import { RequestType, readStatus } from "./messages.js";
import type { Envelope } from "./payload.js";
import { providerIdentity } from "./provider-codec.js";
import type { ListPush, NacosSession, SessionObserver } from "./session.js";

export interface SubscriptionCounters {
  /** Lists that the server sent, as answers and as pushes. */
  received: number;
  /** Of these: older than what was held. */
  outdated: number;
  /** Of these: the same as what was held. */
  identical: number;
  delivered: number;
  errors: number;
  /** Changes that only the periodic query brought to light: a push was lost. */
  repaired: number;
}

interface Counters extends SubscriptionCounters, ListCounters {}

export interface NamingScope {
  readonly namespace: string;
  readonly group: string;
  /** Of the applications. Default: `group`. */
  readonly applicationGroup?: string;
}

/** How a request names a service. */
export function serviceScope(
  { namespace, group, applicationGroup = group }: NamingScope,
  service: string,
): ServiceScope {
  const groupName = isInterfaceService(service) ? group : applicationGroup;
  return { module: "naming", namespace, groupName, serviceName: service };
}

interface ServiceScope {
  readonly module: string;
  readonly namespace: string;
  readonly groupName: string;
  readonly serviceName: string;
}

/** What is held of an application, from one session. */
interface Held {
  readonly epoch: number;
  readonly lastRefTime: number;
  readonly list: InstanceList;
}

interface Subscription {
  readonly application: string;
  readonly sink: (event: InstancesEvent) => void;
  held: Held | undefined;
  /** The server was asked, and no answer came that makes sense: it may have taken the subscription. */
  unanswered: boolean;
  /** An event was delivered, so the caller knows something. */
  delivered: boolean;
  disposed: boolean;
  /** What the last event said, if it was an error: the same is not said again with each attempt. */
  lastError: string | undefined;
  /** A `refresh` waits for its event. */
  refreshing: boolean;
}

type Source = "answer" | "push" | "refresh" | "repair";

interface Reading {
  readonly type: string;
  readonly raw: Uint8Array;
  readonly epoch: number;
  readonly source: Source;
  /** The subscription that a `serviceInfo` belongs to. */
  find(info: JsonObject): Subscription | undefined;
  /** The message without its hosts has come; throws to refuse it. */
  check(message: JsonObject, hasList: boolean): void;
}

const NO_BYTES = new Uint8Array();

/**
 * Asks for everything once a minute, against a lost push: a server answers queries from a cache that a push refreshes
 * later, stamped with the time of the answer, so that the newer stamp is not always the newer list.
 */
const RESYNC_MS = 60_000;
/** Between attempts at one request to the server. A restarted server must not wait long for what was refused while it started. */
export const RETRY_BACKOFF: BackoffOptions = { initialMs: 100, maxMs: 5_000 };
/** Requests at a time, so that a reconnect does not flood the connection. */
const CONCURRENCY = 64;

/**
 * Watches of applications: subscribed on the server (arm) by a request whose answer is the first list (pull); pushes
 * replace it. Lists are ordered by the server's `lastRefTime` within a session; the first of a new session always counts.
 */
export class Subscriptions implements SessionObserver {
  readonly counters: Counters = {
    received: 0,
    outdated: 0,
    identical: 0,
    delivered: 0,
    errors: 0,
    repaired: 0,
    parsed: 0,
    reused: 0,
    whole: 0,
  };
  readonly #queue: ListQueue;
  readonly #runtime: Runtime;
  readonly #session: NacosSession;
  readonly #scope: NamingScope;
  readonly #onEvent: NacosEventListener | undefined;
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #wanted: Reconciler<string, Subscription>;
  #resync: Timer | undefined;
  #closed = false;

  constructor(runtime: Runtime, session: NacosSession, scope: NamingScope, onEvent?: NacosEventListener) {
    this.#runtime = runtime;
    this.#session = session;
    this.#scope = scope;
    this.#onEvent = onEvent;
    this.#queue = new ListQueue(runtime);
    this.#wanted = new Reconciler<string, Subscription>(runtime, {
      apply: (application, subscription, { signal, epoch, attempted }) =>
        subscription === undefined
          ? this.#unsubscribe(application, attempted, signal)
          : this.#subscribe(application, subscription, signal, epoch),
      onError: (application, error) => this.#failed(application, toError(error)),
      paused: true,
      backoff: RETRY_BACKOFF,
      concurrency: CONCURRENCY,
    });
    session.onListPush((push) => this.#pushed(push));
    session.addObserver(this);
  }

  watch(application: string, sink: (event: InstancesEvent) => void): InstancesWatch {
    if (this.#closed) throw new Error(`watch of ${application}: the registry is closed`);
    if (this.#subscriptions.has(application)) throw new Error(`${application} is watched already: share the watch`);
    const subscription: Subscription = {
      application,
      sink,
      held: undefined,
      unanswered: false,
      delivered: false,
      disposed: false,
      lastError: undefined,
      refreshing: false,
    };
    this.#subscriptions.set(application, subscription);
    this.#wanted.want(application, subscription);
    const { lastError } = this.#session;
    // Nothing would come for a while: say what is known. Never inside `watch`.
    if (lastError !== undefined) this.#runtime.clock.nextTurn(() => this.#deliverFirstError(subscription));
    return {
      refresh: () => this.#refresh(subscription),
      [Symbol.asyncDispose]: () => this.#dispose(subscription),
    };
  }

  onUp(epoch: number): void {
    this.#wanted.invalidate(epoch);
    this.#wanted.resume();
    this.#resync?.cancel();
    this.#scheduleResync();
  }

  onDown(error: Error): void {
    this.#wanted.pause();
    this.#resync?.cancel();
    for (const subscription of this.#subscriptions.values()) this.#deliverError(subscription, error);
  }

  inspect(): object {
    const watches = [...this.#subscriptions.values()].map(({ application, held, refreshing }) => ({
      application,
      state: describeStatus(this.#wanted.status(application)),
      epoch: held?.epoch,
      instances: held?.list.instances.length,
      malformed: held?.list.malformed.length,
      lastRefTime: held?.lastRefTime,
      refreshing,
    }));
    return { watches, counters: { ...this.counters } };
  }

  /** The server forgets subscriptions with the connection, which is closed next: nothing is asked of it. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#resync?.cancel();
    for (const subscription of this.#subscriptions.values()) subscription.disposed = true;
    this.#subscriptions.clear();
    await this.#wanted.close({ boundMs: 0 });
  }

  async #subscribe(application: string, subscription: Subscription, signal: AbortSignal, epoch: number): Promise<void> {
    const body = { ...this.#service(application), subscribe: true, clusters: "" };
    try {
      const answer = await this.#session.requestList(RequestType.subscribeService, body, signal);
      await this.#answered(subscription, answer, epoch, "answer");
    } catch (error) {
      if (!(error instanceof NacosError)) subscription.unanswered = true;
      throw error;
    }
  }

  async #unsubscribe(application: string, attempted: Subscription | undefined, signal: AbortSignal): Promise<void> {
    const body = { ...this.#service(application), subscribe: false, clusters: "" };
    try {
      await this.#session.request(RequestType.subscribeService, body, signal);
    } catch (error) {
      // A name that the server cannot have: it refused the subscription as well, so there is nothing to take back.
      const nothingThere = error instanceof NacosError && (error.final || attempted?.unanswered !== true);
      if (nothingThere && attempted?.held === undefined) return;
      throw error;
    }
  }

  #pushed({ type, raw, acknowledge, refuse }: ListPush): void {
    const find = (info: JsonObject): Subscription | undefined => {
      const name = applicationOf(asString(info.name));
      const { groupName } = serviceScope(this.#scope, name);
      return asString(info.groupName, groupName) === groupName ? this.#subscriptions.get(name) : undefined;
    };
    // A push without a list says nothing.
    const check = (message: JsonObject): void => acknowledge(asString(message.requestId));
    const steps = this.#read({ type, raw, epoch: this.#session.epoch, source: "push", find, check });
    void this.#queue.run(steps).catch((error: unknown) => refuse(toError(error)));
  }

  #answered(subscription: Subscription, answer: Envelope, epoch: number, source: Source): Promise<void> {
    const { type, raw = NO_BYTES } = answer;
    const check = (message: JsonObject, hasList: boolean): void => {
      const status = readStatus(message);
      if (!status.success) throw new NacosError(type, status);
      // An answer that names no list is no empty list: a server says `hosts: []` when there is nobody.
      if (!hasList) throw new Error("the server answered without a list of instances");
    };
    return this.#queue.run(this.#read({ type, raw, epoch, source, find: () => subscription, check }));
  }

  /** Several turns may pass between two steps; messages are read one after the other, in the order in which they came. */
  *#read({ type, raw, epoch, source, find, check }: Reading): Generator<void, void> {
    let subscription: Subscription | undefined;
    let lastRefTime = 0;
    const open = (message: JsonObject, hasList: boolean): WantedList | undefined => {
      check(message, hasList);
      const info = asObject(message.serviceInfo);
      subscription = find(info);
      if (subscription === undefined || !hasList || !this.#isCurrent(subscription, epoch)) return undefined;
      this.counters.received += 1;
      const { held } = subscription;
      const before = held?.epoch === epoch ? held : undefined;
      lastRefTime = lastRefTimeOf(info) ?? before?.lastRefTime ?? 0;
      if (before === undefined || lastRefTime >= before.lastRefTime)
        return wantedList(subscription.application, held?.list);
      this.counters.outdated += 1;
      this.#tell(subscription, undefined, epoch, source, "outdated");
      if (source === "refresh") this.#deliver(subscription, before);
      return undefined;
    };
    const list = yield* readList(type, raw, { heldFor: (info) => find(info)?.held?.list, open }, this.counters);
    if (list !== undefined && subscription !== undefined && this.#isCurrent(subscription, epoch))
      this.#received(subscription, { epoch, lastRefTime, list }, source);
  }

  #isCurrent(subscription: Subscription, epoch: number): boolean {
    return !subscription.disposed && this.#session.up && epoch === this.#session.epoch;
  }

  #received(subscription: Subscription, held: Held, source: Source): void {
    const before = subscription.held;
    subscription.held = held;
    const identical = before?.epoch === held.epoch && before.list.instances === held.list.instances;
    if (identical) this.counters.identical += 1;
    else if (source === "repair") this.counters.repaired += 1;
    this.#tell(subscription, held.list, held.epoch, source, identical ? "identical" : "applied");
    // After an error the same list is news: that it can be read again.
    if (!identical || source === "refresh" || subscription.lastError !== undefined) this.#deliver(subscription, held);
  }

  #tell(
    { application }: Subscription,
    list: InstanceList | undefined,
    epoch: number,
    source: Source,
    verdict: "applied" | "identical" | "outdated",
  ): void {
    if (this.#onEvent === undefined) return;
    const counts = { instances: list?.instances.length ?? 0, malformed: list?.malformed.length ?? 0 };
    this.#onEvent({ kind: "list", application, epoch, source, verdict, ...counts });
  }

  #deliver(subscription: Subscription, { epoch, lastRefTime, list }: Held): void {
    if (subscription.disposed) return;
    const { instances, malformed } = list;
    subscription.delivered = true;
    subscription.refreshing = false;
    subscription.lastError = undefined;
    this.counters.delivered += 1;
    this.#emit(subscription, { kind: "instances", epoch, seq: lastRefTime, instances, malformed });
  }

  #failed(application: string, error: Error): void {
    const subscription = this.#subscriptions.get(application);
    if (subscription !== undefined) this.#deliverError(subscription, error);
  }

  #deliverFirstError(subscription: Subscription): void {
    const { lastError } = this.#session;
    if (!subscription.delivered && lastError !== undefined) this.#deliverError(subscription, lastError);
  }

  #deliverError(subscription: Subscription, error: Error): void {
    if (subscription.disposed) return;
    this.counters.errors += 1;
    if (subscription.lastError === error.message && !subscription.refreshing) return;
    subscription.delivered = true;
    subscription.refreshing = false;
    subscription.lastError = error.message;
    this.#emit(subscription, { kind: "error", epoch: this.#session.epoch, error });
  }

  #emit(subscription: Subscription, event: InstancesEvent): void {
    try {
      subscription.sink(event);
    } catch (error) {
      this.#runtime.report(error, `watch of ${subscription.application}`);
    }
  }

  #refresh(subscription: Subscription): void {
    if (subscription.refreshing || subscription.disposed) return;
    subscription.refreshing = true;
    void this.#runtime.detached(() => this.#query(subscription, "refresh"));
  }

  /** One pull beside the subscription. Never rejects. */
  async #query(subscription: Subscription, source: "refresh" | "repair"): Promise<void> {
    const { epoch } = this.#session;
    const body = { ...this.#service(subscription.application), cluster: "", healthyOnly: false, udpPort: 0 };
    try {
      const answer = await this.#session.requestList(RequestType.serviceQuery, body, this.#session.lost);
      await this.#answered(subscription, answer, epoch, source);
    } catch (error) {
      if (source === "refresh" && subscription.refreshing) this.#deliverError(subscription, toError(error));
    }
  }

  #scheduleResync(): void {
    if (this.#closed) return;
    const delay = RESYNC_MS * (0.8 + 0.4 * this.#runtime.random.next());
    this.#resync = this.#runtime.clock.setTimeout(() => void this.#resyncAll(), delay);
  }

  async #resyncAll(): Promise<void> {
    const { lost } = this.#session;
    for (const subscription of [...this.#subscriptions.values()]) {
      if (lost.aborted || this.#closed) return;
      if (subscription.held?.epoch === this.#session.epoch) await this.#query(subscription, "repair");
    }
    if (!lost.aborted) this.#scheduleResync();
  }

  async #dispose(subscription: Subscription): Promise<void> {
    if (subscription.disposed) return;
    subscription.disposed = true;
    const { application } = subscription;
    this.#subscriptions.delete(application);
    this.#wanted.unwant(application);
    // Without a session there is nothing to withdraw: the server forgot us with the connection.
    await this.#wanted.settled(application, this.#session.lost).catch(() => undefined);
  }

  #service(application: string): object {
    return serviceScope(this.#scope, application);
  }
}

/** An address may have a provider of an interface for each protocol. */
function wantedList(application: string, held: InstanceList | undefined): WantedList {
  return isInterfaceService(application) ? { application, held, identity: providerIdentity } : { application, held };
}

/** For `inspect()`. */
export function describeStatus(status: KeyStatus | undefined): string {
  if (status === undefined) return "absent";
  if (status.state !== "retrying") return status.state;
  return `retrying after ${status.attempts}: ${toError(status.error).message}`;
}
