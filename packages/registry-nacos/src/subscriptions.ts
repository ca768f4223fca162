import { type BackoffOptions, type KeyStatus, Reconciler, type Runtime, type Timer } from "@dubhe/concurrency";
import type { Instance, InstancesEvent, InstancesWatch, MalformedInstance } from "@dubhe/discovery";
import { toError } from "./errors.js";
import type { NacosEventListener } from "./events.js";
import { applicationOf, fingerprint, readServiceInfo, type ServiceSnapshot } from "./instance-codec.js";
import { asObject, asString, type JsonObject } from "./json.js";
import { RequestType, StreamType } from "./messages.js";
import type { NacosSession, SessionObserver } from "./session.js";

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

export interface NamingScope {
  readonly namespace: string;
  readonly group: string;
}

/** What is held of an application, from one session. */
interface Held {
  readonly epoch: number;
  readonly lastRefTime: number;
  readonly fingerprint: string;
  readonly instances: readonly Instance[];
  readonly malformed: readonly MalformedInstance[];
}

interface Subscription {
  readonly application: string;
  readonly sink: (event: InstancesEvent) => void;
  held: Held | undefined;
  /** An event was delivered, so the caller knows something. */
  delivered: boolean;
  disposed: boolean;
  /** What the last event said, if it was an error: the same is not said again with each attempt. */
  lastError: string | undefined;
  /** A `refresh` waits for its event. */
  refreshing: boolean;
}

type Source = "answer" | "push" | "refresh" | "repair";

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
  readonly counters: SubscriptionCounters = {
    received: 0,
    outdated: 0,
    identical: 0,
    delivered: 0,
    errors: 0,
    repaired: 0,
  };
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
    this.#wanted = new Reconciler<string, Subscription>(runtime, {
      apply: (application, subscription, { signal, epoch }) => this.#apply(application, subscription, signal, epoch),
      onError: (application, error) => this.#failed(application, toError(error)),
      paused: true,
      backoff: RETRY_BACKOFF,
      concurrency: CONCURRENCY,
    });
    session.onPush(StreamType.notifySubscriber, (body) => this.#pushed(asObject(body.serviceInfo)));
    session.addObserver(this);
  }

  watch(application: string, sink: (event: InstancesEvent) => void): InstancesWatch {
    if (this.#closed) throw new Error(`watch of ${application}: the registry is closed`);
    if (this.#subscriptions.has(application)) throw new Error(`${application} is watched already: share the watch`);
    const subscription: Subscription = {
      application,
      sink,
      held: undefined,
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
      instances: held?.instances.length,
      malformed: held?.malformed.length,
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

  async #apply(
    application: string,
    subscription: Subscription | undefined,
    signal: AbortSignal,
    epoch: number,
  ): Promise<void> {
    const body = { ...this.#service(application), subscribe: subscription !== undefined, clusters: "" };
    const answer = await this.#session.request(RequestType.subscribeService, body, signal);
    if (subscription !== undefined) this.#received(subscription, listOf(answer), epoch, "answer");
  }

  #pushed(info: JsonObject): void {
    if (asString(info.groupName, this.#scope.group) !== this.#scope.group) return;
    const subscription = this.#subscriptions.get(applicationOf(asString(info.name)));
    if (subscription !== undefined && Array.isArray(info.hosts))
      this.#received(subscription, info, this.#session.epoch, "push");
  }

  #received(subscription: Subscription, info: JsonObject, epoch: number, source: Source): void {
    if (subscription.disposed || epoch !== this.#session.epoch) return;
    this.counters.received += 1;
    const snapshot = readServiceInfo(info, subscription.application);
    const before = subscription.held?.epoch === epoch ? subscription.held : undefined;
    const lastRefTime = snapshot.lastRefTime ?? before?.lastRefTime ?? 0;
    if (before !== undefined && lastRefTime < before.lastRefTime) {
      this.counters.outdated += 1;
      this.#tell(subscription, snapshot, epoch, source, "outdated");
      if (source === "refresh") this.#deliver(subscription, before);
      return;
    }
    const held: Held = { ...snapshot, epoch, lastRefTime, fingerprint: fingerprint(snapshot) };
    subscription.held = held;
    const identical = before?.fingerprint === held.fingerprint;
    if (identical) this.counters.identical += 1;
    else if (source === "repair") this.counters.repaired += 1;
    this.#tell(subscription, snapshot, epoch, source, identical ? "identical" : "applied");
    // After an error the same list is news: that it can be read again.
    if (!identical || source === "refresh" || subscription.lastError !== undefined) this.#deliver(subscription, held);
  }

  #tell(
    { application }: Subscription,
    { instances, malformed }: ServiceSnapshot,
    epoch: number,
    source: Source,
    verdict: "applied" | "identical" | "outdated",
  ): void {
    if (this.#onEvent === undefined) return;
    const counts = { instances: instances.length, malformed: malformed.length };
    this.#onEvent({ kind: "list", application, epoch, source, verdict, ...counts });
  }

  #deliver(subscription: Subscription, { epoch, lastRefTime, instances, malformed }: Held): void {
    if (subscription.disposed) return;
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
      const answer = await this.#session.request(RequestType.serviceQuery, body, this.#session.lost);
      this.#received(subscription, listOf(answer), epoch, source);
    } catch (error) {
      if (source === "refresh" && subscription.refreshing) this.#deliverError(subscription, toError(error));
    }
  }

  #scheduleResync(): void {
    const delay = RESYNC_MS * (0.8 + 0.4 * this.#runtime.random.next());
    this.#resync = this.#runtime.clock.setTimeout(() => void this.#resyncAll(), delay);
  }

  async #resyncAll(): Promise<void> {
    const { lost } = this.#session;
    for (const subscription of [...this.#subscriptions.values()]) {
      if (lost.aborted || this.#closed) return;
      if (subscription.held?.epoch === this.#session.epoch) await this.#query(subscription, "repair");
    }
    if (!lost.aborted && !this.#closed) this.#scheduleResync();
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
    const { namespace, group } = this.#scope;
    return { module: "naming", namespace, groupName: group, serviceName: application };
  }
}

/** An answer that names no list is no empty list: a server says `hosts: []` when there is nobody. */
function listOf(answer: JsonObject): JsonObject {
  const info = asObject(answer.serviceInfo);
  if (!Array.isArray(info.hosts)) throw new Error("the server answered without a list of instances");
  return info;
}

/** For `inspect()`. */
export function describeStatus(status: KeyStatus | undefined): string {
  if (status === undefined) return "absent";
  if (status.state !== "retrying") return status.state;
  return `retrying after ${status.attempts}: ${toError(status.error).message}`;
}
