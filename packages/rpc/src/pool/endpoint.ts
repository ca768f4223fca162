import type { Runtime } from "@dubhe/concurrency";
import { type Connection, ErrorCode } from "@dubhe/http2";
import type { ChannelCall, TryOpen } from "../channel.js";
import { type BackoffCause, Dial } from "./dial.js";
import { EndpointLease, type EndpointObserver, type EndpointUser } from "./endpoint-lease.js";
import { type EndpointSnapshot, endpointSnapshot } from "./endpoint-snapshot.js";
import { addressOf, authorityOf, type EndpointTarget } from "./endpoint-target.js";
import { NextLook } from "./next-look.js";
import type { CloseReason, PoolCounters, PoolEvent, PoolSettings } from "./pool-options.js";
import { PooledConnection, type PooledConnectionOwner, type PooledState } from "./pooled-connection.js";
import { StarvingUsers } from "./starving-users.js";

/**
 * What an endpoint is able to do, as others see it.
 *
 *     idle ─▶ connecting ─▶ ready ─▶ idle            a connection is opened when a call wants one
 *             connecting ─▶ backoff ─▶ idle          by time, or by `forgive` (a new revision or epoch)
 *     any ─▶ closing ─▶ gone                         its last user left, or the pool closes; a new user in `closing` revives it
 *
 * `ready` is one usable connection at least; further ones may be connecting or in backoff meanwhile.
 */
export type EndpointState = "idle" | "connecting" | "ready" | "backoff" | "closing" | "gone";

/** active ⇄ closing ─▶ gone; `closing` by the pool is final. */
type Life =
  | { readonly kind: "active" }
  | { readonly kind: "closing"; readonly final: boolean }
  | { readonly kind: "gone" };

/** What the pool does for its endpoints. */
export interface EndpointHost {
  readonly runtime: Runtime;
  readonly settings: PoolSettings;
  readonly counters: PoolCounters;
  emit(event: PoolEvent): void;
  forget(endpoint: Endpoint): void;
}

const ACTIVE: Life = { kind: "active" };
/** How gRPC servers call it when they ban a client for its PINGs. */
const TOO_MANY_PINGS = "too_many_pings";
/** More than a thousand times the interval is as good as never. */
const MAX_KEEPALIVE_FACTOR = 1024;

/** One (address, authority, TLS identity): its connections, oldest first, and who uses them. Owned by the pool. */
export class Endpoint implements PooledConnectionOwner {
  readonly key: string;
  readonly target: EndpointTarget;
  readonly address: string;
  readonly authority: string;
  /** Belongs to the layer above: what it wants to find again while the endpoint lives (load). */
  memo: unknown = undefined;
  readonly #host: EndpointHost;
  readonly #dial: Dial;
  readonly #members: PooledConnection[] = [];
  /** Those that finish their streams and take no new ones. */
  readonly #retiring = new Set<PooledConnection>();
  readonly #users = new Set<EndpointLease>();
  readonly #starving = new StarvingUsers((control) => this.#anyFree(control));
  readonly #nextTend: NextLook;
  #life: Life = ACTIVE;
  #lastError: Error | undefined;
  /** A connection has a limit of 0: its users must hear when that is raised. */
  #held = false;
  #whenEmpty: (() => void) | undefined;
  #keepaliveFactor = 1;

  constructor(host: EndpointHost, key: string, target: EndpointTarget) {
    this.#host = host;
    this.#nextTend = new NextLook(host.runtime.clock, () => this.#tend());
    this.#dial = new Dial(host.runtime, host.settings.backoff, () => this.#wake());
    this.key = key;
    this.target = target;
    this.address = addressOf(target);
    this.authority = authorityOf(target);
  }

  get state(): EndpointState {
    if (this.#life.kind !== "active") return this.#life.kind;
    for (const member of this.#members) if (member.usable) return "ready";
    if (this.#members.length > 0) return "connecting";
    return this.#dial.state.kind === "backoff" ? "backoff" : "idle";
  }

  /** Why the last connect failed or the last connection broke; undefined again once one is ready. */
  get lastError(): Error | undefined {
    return this.#lastError;
  }

  /** Nothing is connected, and the last connect failed not long ago: calls that do not wait for ready fail. */
  get unreachable(): boolean {
    const dial = this.#dial.state;
    return this.state === "backoff" && dial.kind === "backoff" && dial.cause === "refused";
  }

  /** When the backoff ends, by Clock.now(). */
  get retryAt(): number | undefined {
    const dial = this.#dial.state;
    return dial.kind === "backoff" ? dial.until : undefined;
  }

  get activeStreams(): number {
    let count = 0;
    for (const member of this.#members) count += member.activeStreams;
    for (const member of this.#retiring) count += member.activeStreams;
    return count;
  }

  /** Streams that users' calls may open now; without those of connections that must prove first that they live. */
  get free(): number {
    let free = 0;
    for (const member of this.#members) if (!this.#isStale(member)) free += Math.max(0, member.free(false));
    return free;
  }

  /** Whether a call that may not go to `avoid` could ever go here. */
  canAvoid(avoid: Connection): boolean {
    return this.#host.settings.maxConnectionsPerEndpoint > 1 || avoid.state !== "open";
  }

  inspect(): EndpointSnapshot {
    let waiting = 0;
    for (const user of this.#users) waiting += user.user.waiting;
    const now = this.#host.runtime.clock.now();
    return endpointSnapshot(this, this.#users.size, waiting, [...this.#members, ...this.#retiring], now);
  }

  /** @internal Only the pool makes leases, so that an endpoint that is forgotten cannot gain users. */
  lease(user: EndpointUser): EndpointLease {
    const lease = new EndpointLease(this, user);
    this.#users.add(lease);
    if (this.#life.kind === "closing" && !this.#life.final) {
      this.#life = ACTIVE;
      for (const member of [...this.#retiring]) {
        if (!member.revive()) continue;
        this.#retiring.delete(member);
        this.#members.push(member);
      }
    }
    return lease;
  }

  /** @internal */
  leave(lease: EndpointLease): void {
    this.#starving.delete(lease);
    if (!this.#users.delete(lease) || this.#users.size > 0 || this.#life.kind !== "active") return;
    this.#life = { kind: "closing", final: false };
    this.#dial.stop();
    const members = this.#members.splice(0);
    for (const member of members) this.#retiring.add(member);
    for (const member of members) member.retire("unused");
    this.#goneWhenEmpty();
  }

  /** @internal See EndpointLease.tryOpen. */
  tryOpen(lease: EndpointLease, call: ChannelCall, observer: EndpointObserver, avoid: Connection | undefined): TryOpen {
    if (lease.released || this.#life.kind !== "active") return "gone";
    let ready = false;
    let verifying = false;
    let stale: PooledConnection | undefined;
    // Oldest first: the younger ones run empty and idle out when the load goes down.
    for (let index = 0; index < this.#members.length; index++) {
      const member = this.#members[index] as PooledConnection;
      const connection = member.connection;
      if (member.state.kind === "verifying") verifying = true;
      if (member.held) this.#held = true;
      if (connection === undefined || connection === avoid || !member.usable) continue;
      if (member.free(call.control) <= 0) {
        ready = true;
        continue;
      }
      if (this.#isStale(member)) {
        stale ??= member;
        continue;
      }
      ready = true;
      observer.attemptStarting(call, connection);
      if (!call.startOn(connection, this.authority, observer)) continue;
      member.used();
      this.#host.counters.attempts += 1;
      if (index === this.#members.length - 1 && member.nearLimit) this.#dialNow();
      return "opened";
    }
    this.#starving.add(lease);
    if (stale !== undefined && !verifying) this.#verify(stale);
    return ready ? "busy" : "connecting";
  }

  /** By PING, unless the peer has had enough of those: then another connection takes its place. */
  #verify(member: PooledConnection): void {
    if (this.#keepaliveFactor > 1 || member.connection?.mayPing !== true) return this.#retireIdle(member);
    this.#host.counters.verifications += 1;
    member.verify(this.address, this.#host.settings.verifyTimeoutMs);
  }

  #retireIdle(member: PooledConnection): void {
    this.#members.splice(this.#members.indexOf(member), 1);
    this.#retiring.add(member);
    this.#host.counters.closedIdle += 1;
    member.retire("idle");
  }

  /** Idle for so long that a middlebox may have forgotten it. */
  #isStale(member: PooledConnection): boolean {
    if (member.idleSince === undefined) return false;
    const { runtime, settings } = this.#host;
    return runtime.clock.now() - member.idleSince >= settings.verifyIdleAfterMs;
  }

  /**
   * @internal A call waits that cannot use `avoid`. Opens a connection if none is on its way, the limits allow one, and
   * no other has a stream free.
   */
  connect(lease: EndpointLease, avoid: Connection | undefined): void {
    if (!lease.released) this.#connect(avoid);
  }

  #connect(avoid: Connection | undefined): void {
    for (const member of this.#members) {
      if (member.state.kind === "verifying" || member.held) return;
      if (member.usable && member.connection !== avoid && member.free(false) > 0) return;
    }
    this.#dialNow();
  }

  /** Something about the provider is new (revision, epoch, registration): what failed before may work now. */
  forgive(): void {
    if (this.#dial.forgive()) this.#wake();
  }

  /** @internal The pool closes: streams may finish within the grace, then everything is cut. Resolves when no connection is left. */
  close(graceMs: number): Promise<void> {
    if (this.#life.kind === "gone") return Promise.resolve();
    const empty = new Promise<void>((resolve) => {
      this.#whenEmpty = resolve;
    });
    this.#life = { kind: "closing", final: true };
    this.#dial.stop();
    this.#starving.clear();
    for (const member of this.#members.splice(0)) this.#retiring.add(member);
    this.#changed();
    for (const member of [...this.#retiring]) member.drain(graceMs);
    this.#goneWhenEmpty();
    return empty;
  }

  /** @internal */
  destroy(error: Error): void {
    for (const member of [...this.#members, ...this.#retiring]) member.destroy(error);
  }

  ready(member: PooledConnection): void {
    const { counters, runtime } = this.#host;
    this.#dial.ended(member);
    this.#lastError = undefined;
    counters.connectionsOpened += 1;
    counters.connectionsOpen += 1;
    this.#host.emit({ kind: "connected", address: this.address, tookMs: runtime.clock.now() - member.startedAt });
    this.#nextTend.soon();
    if (member.held) this.#held = true;
    this.#wake();
  }

  capacityGrew(member: PooledConnection): void {
    if (this.#held && member.usable) {
      this.#held = false;
      this.#changed();
    }
    if (this.#starving.size > 0) this.#distribute();
    if (member.activeStreams === 0) this.#nextTend.soon();
  }

  verified(_member: PooledConnection): void {
    this.#nextTend.soon();
    this.#wake();
  }

  goaway(
    member: PooledConnection,
    info: { readonly code: number; readonly debug: string; readonly lastStreamId: number },
  ): void {
    this.#host.counters.goawaysReceived += 1;
    if (info.code === ErrorCode.ENHANCE_YOUR_CALM && info.debug === TOO_MANY_PINGS) {
      this.#host.counters.pingsForbidden += 1;
      this.#keepaliveFactor = Math.min(MAX_KEEPALIVE_FACTOR, this.#keepaliveFactor * 2);
    }
    this.#host.emit({
      kind: "goaway",
      address: this.address,
      code: info.code,
      debug: info.debug,
      lastStreamId: info.lastStreamId,
    });
    const index = this.#members.indexOf(member);
    if (index < 0) return;
    this.#members.splice(index, 1);
    this.#retiring.add(member);
    if (this.#shortLived(member)) {
      this.#penalise(
        "flapping",
        new Error(`${this.address} said GOAWAY right after connecting${info.debug === "" ? "" : `: ${info.debug}`}`),
      );
    } else {
      this.#dial.proved();
    }
    this.#wake();
  }

  closed(member: PooledConnection, was: PooledState, error: Error | undefined): void {
    const { counters } = this.#host;
    const index = this.#members.indexOf(member);
    if (index >= 0) this.#members.splice(index, 1);
    this.#retiring.delete(member);
    this.#dial.ended(member);
    if (was.kind === "connecting") {
      counters.connectsFailed += 1;
      if (this.#life.kind === "active") {
        this.#penalise("refused", error ?? new Error(`${this.address} closed the connection before its SETTINGS`));
      }
    } else {
      counters.connectionsOpen -= 1;
      if (was.kind === "verifying") counters.verificationsFailed += 1;
      this.#host.emit({ kind: "closed", address: this.address, reason: closeReason(was), error });
      if (was.kind !== "retiring" && this.#life.kind === "active") {
        this.#lastError = error ?? new Error(`${this.address} closed the connection`);
        if (this.#shortLived(member)) this.#penalise("flapping", this.#lastError);
        else this.#dial.proved();
      }
    }
    if (this.#life.kind !== "active") this.#goneWhenEmpty();
    else if (index >= 0) this.#wake();
  }

  #dialNow(): void {
    const { runtime, settings, counters } = this.#host;
    if (this.#life.kind !== "active" || this.#dial.state.kind !== "none") return;
    if (this.#members.length >= settings.maxConnectionsPerEndpoint) return;
    counters.connectsStarted += 1;
    this.#host.emit({ kind: "connecting", address: this.address });
    const member = new PooledConnection(this, runtime.clock, this.address, settings.connectTimeoutMs);
    this.#dial.connecting(member);
    this.#members.push(member);
    try {
      // Shared by all who come later: it must not run in the context of the call that happened to be first.
      const hints = { keepaliveFactor: this.#keepaliveFactor };
      member.started(runtime.detached(() => settings.connect(this.target, member, hints)));
    } catch (error) {
      member.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** The connect failed, or what it gave was of no use: no other before some time has passed. */
  #penalise(cause: BackoffCause, error: Error): void {
    this.#lastError = error;
    this.#host.emit({ kind: "connect-failed", address: this.address, error, retryInMs: this.#dial.backOff(cause) });
  }

  #shortLived(member: PooledConnection): boolean {
    return this.#host.runtime.clock.now() - member.readyAt < this.#host.settings.minUptimeMs;
  }

  #changed(): void {
    for (const lease of [...this.#users]) if (this.#users.has(lease)) lease.user.changed(this);
  }

  #wake(): void {
    this.#changed();
    this.#distribute();
  }

  /** Serves the users that wait, and sees to a connection for the rest. */
  #distribute(): void {
    if (this.#life.kind === "active" && this.#starving.serve()) this.#connect(undefined);
  }

  #anyFree(control: boolean): boolean {
    for (const member of this.#members) if (member.free(control) > 0) return true;
    return false;
  }

  /** Looks after connections without streams: lets the process go, closes what was idle for long. */
  #tend(): void {
    if (this.#life.kind !== "active") return;
    const now = this.#host.runtime.clock.now();
    const idleTimeoutMs = this.#host.settings.idleTimeoutMs;
    let next = Number.POSITIVE_INFINITY;
    let closed = false;
    for (const member of [...this.#members]) {
      if (member.state.kind !== "ready" || !member.settle(now)) continue;
      const closeIn = (member.idleSince ?? now) + idleTimeoutMs - now;
      if (closeIn > 0) {
        next = Math.min(next, closeIn);
        continue;
      }
      this.#retireIdle(member);
      closed = true;
    }
    this.#nextTend.in(next);
    if (closed) this.#wake();
  }

  #goneWhenEmpty(): void {
    if (this.#life.kind !== "closing" || this.#members.length > 0 || this.#retiring.size > 0) return;
    this.#life = { kind: "gone" };
    this.#nextTend.stop();
    this.#host.forget(this);
    this.#whenEmpty?.();
  }
}

function closeReason(was: PooledState): CloseReason {
  if (was.kind === "verifying") return "verify-failed";
  return was.kind === "retiring" ? was.cause : "peer";
}
