import type { Runtime } from "@dubhe/concurrency";
import {
  type ConfigurationSession,
  type Instance,
  type InterfaceSession,
  instanceKey,
  type MalformedInstance,
  ownerOf,
  type RegistrySession,
  type SessionInstances,
  type SessionMapping,
} from "@dubhe/discovery";
import { Compare_CompareResult, Compare_CompareTarget } from "../gen/etcd_rpc_pb.js";
import type { EtcdConfig } from "./config.js";
import type { EtcdCounters } from "./counters.js";
import type { Endpoints } from "./endpoints.js";
import { EtcdRefusedError, EtcdUnavailableError } from "./errors.js";
import { EtcdClient } from "./etcd-client.js";
import type { EtcdLink, EtcdTransport } from "./etcd-link.js";
import { HeldKeys } from "./held-keys.js";
import { formatInstance, isInstance, readInstance } from "./instance-codec.js";
import { interfaceSession } from "./interface-session.js";
import type { KeyView } from "./key-view.js";
import {
  bytesOf,
  configurationPath,
  instancePath,
  instancesPrefix,
  mappingPath,
  metadataPrefix,
  oldMetadataPath,
  prefixEnd,
  textOf,
} from "./keys.js";
import { isLeaseGone, LeaseKeeper } from "./lease-keeper.js";
import type { Login } from "./login.js";
import { pagedRange } from "./paged-range.js";
import { WatchHub } from "./watch-hub.js";
import { type KeyRange, WatchedViews } from "./watched-views.js";

export interface EtcdSessionParts {
  readonly transport: EtcdTransport;
  readonly config: EtcdConfig;
  readonly endpoints: Endpoints;
  readonly login: Login | undefined;
  readonly counters: EtcdCounters;
  /** Leases of older sessions of this process that may still stand. */
  readonly oldLeases: Set<bigint>;
}

/** For ending leases when a session is closed. */
const REVOKE_MS = 700;
/** Between questions to a quiet watch stream. */
const MAX_PULSE_MS = 5_000;

/**
 * A session is a lease, if anything was registered, and the watches. It outlives connections:
 *
 *     open ⇄ suspended       no member can be reached; what is registered stands as long as the lease
 *     open | suspended ─▶ ended   the lease is gone; or nobody could be reached for as long as a lease lives; or the
 *                                 servers have another history
 *     any ─close─▶ closed
 */
export class EtcdSession implements RegistrySession {
  readonly interfaces: InterfaceSession;
  readonly configuration: ConfigurationSession;
  readonly #runtime: Runtime;
  readonly #parts: EtcdSessionParts;
  readonly #client: EtcdClient;
  readonly #hub: WatchHub;
  readonly #lease: LeaseKeeper;
  readonly #held: HeldKeys;
  readonly #views: WatchedViews;
  #state: "open" | "suspended" | "ended" | "closed" = "open";
  #onEnd: ((reason: Error) => void) | undefined;
  #onSuspend: ((reason: Error | undefined) => void) | undefined;
  #endedBefore: Error | undefined;
  #resuming: AbortController | undefined;

  private constructor(runtime: Runtime, parts: EtcdSessionParts) {
    const { transport, config, endpoints, login, counters, oldLeases } = parts;
    const ttlMs = config.sessionTtlMs;
    this.#runtime = runtime;
    this.#parts = parts;
    this.#client = new EtcdClient(runtime, {
      transport,
      endpoints,
      counters,
      login,
      ttlMs,
      timeoutMs: config.timeoutMs,
      onUp: (link) => this.#up(link),
      onDown: (reason) => this.#down(reason),
      onLost: (reason) => this.#end(reason, false),
    });
    this.#hub = new WatchHub(runtime, this.#client, { counters, pulseMs: pulseOf(config) });
    this.#lease = new LeaseKeeper(runtime, this.#client, {
      transport,
      endpoints,
      counters,
      ttlMs,
      timeoutMs: config.timeoutMs,
      onLost: (reason, certain) => this.#end(reason, certain),
    });
    const { client, lease, hub } = { client: this.#client, lease: this.#lease, hub: this.#hub };
    this.#held = new HeldKeys(runtime, { client, lease, hub, counters, oldLeases });
    this.#views = new WatchedViews(runtime, client, hub);
    this.interfaces = interfaceSession(this.#views, this.#held, client);
    this.configuration = this.#configurationSession();
  }

  /** Resolves when some member has answered. */
  static async open(runtime: Runtime, parts: EtcdSessionParts, signal: AbortSignal): Promise<EtcdSession> {
    const session = new EtcdSession(runtime, parts);
    try {
      await session.#client.open(signal);
      parts.counters.sessions += 1;
      return session;
    } catch (error) {
      await session.#tearDown("closed");
      throw error;
    }
  }

  onEnd(listener: (reason: Error) => void): void {
    this.#onEnd = listener;
    const reason = this.#endedBefore;
    if (reason !== undefined) this.#runtime.clock.nextTurn(() => this.#onEnd?.(reason));
  }

  onSuspend(listener: (reason: Error | undefined) => void): void {
    this.#onSuspend = listener;
    if (this.#state === "suspended")
      this.#runtime.clock.nextTurn(() => {
        if (this.#state === "suspended") listener(new Error("no etcd server can be reached"));
      });
  }

  register(instance: Instance, signal: AbortSignal): Promise<void> {
    const own = ownerOf(instance);
    return this.#held.hold(
      {
        key: instancePath(instance),
        value: formatInstance(instance),
        foreign: (text) => {
          const there = readInstance(instance.application, instanceKey(instance), text);
          const owner = isInstance(there) ? ownerOf(there) : "";
          return owner === "" || owner === own ? undefined : owner;
        },
      },
      signal,
    );
  }

  deregister(instance: Instance, signal: AbortSignal): Promise<void> {
    return this.#held.release(instancePath(instance), signal);
  }

  watchInstances(application: string, push: (list: SessionInstances) => void, signal: AbortSignal): Promise<void> {
    const range = { prefix: instancesPrefix(application) };
    return this.#views.watch(range, instanceParser(application), (view) => push(instancesOf(view)), signal);
  }

  async unwatchInstances(application: string): Promise<void> {
    this.#views.unwatch({ prefix: instancesPrefix(application) });
  }

  async readInstances(application: string, signal: AbortSignal): Promise<SessionInstances> {
    const range = { prefix: instancesPrefix(application) };
    return instancesOf(await this.#views.read(range, instanceParser(application), signal));
  }

  watchMapping(serviceInterface: string, push: (mapping: SessionMapping) => void, signal: AbortSignal): Promise<void> {
    return this.#views.watch(this.#mapping(serviceInterface), asItIs, (view) => push(textIn(view)), signal);
  }

  async unwatchMapping(serviceInterface: string): Promise<void> {
    this.#views.unwatch(this.#mapping(serviceInterface));
  }

  async readMapping(serviceInterface: string, signal: AbortSignal): Promise<SessionMapping> {
    return textIn(await this.#views.read(this.#mapping(serviceInterface), asItIs, signal));
  }

  /** The revision of the read is that of the whole store: nothing was written to the key since, if its own is not higher. */
  async writeMapping(
    serviceInterface: string,
    value: string,
    read: SessionMapping,
    signal: AbortSignal,
  ): Promise<boolean> {
    const path = this.#mapping(serviceInterface).key;
    const key = bytesOf(path);
    const { succeeded } = await this.#client.call(
      (link, settings) =>
        link.txn(
          {
            compare: [
              {
                key,
                target: Compare_CompareTarget.MOD,
                result: Compare_CompareResult.LESS,
                targetUnion: { case: "modRevision", value: BigInt(read.seq) + 1n },
              },
            ],
            success: [{ request: { case: "requestPut", value: { key, value: bytesOf(value) } } }],
          },
          settings,
        ),
      signal,
      `write ${path}`,
    );
    return succeeded;
  }

  async readMetadata(application: string, revision: string, signal: AbortSignal): Promise<string | undefined> {
    const read = async (path: string): Promise<string | undefined> => {
      const request = { key: bytesOf(path) };
      const { kvs } = await this.#client.call(
        (link, settings) => link.range(request, settings),
        signal,
        `read ${path}`,
      );
      return kvs[0] === undefined ? undefined : textOf(kvs[0].value);
    };
    const { now, old } = this.#metadataPaths(application, revision);
    return (await read(now)) ?? (await unlessRefused(read(old)));
  }

  async writeMetadata(application: string, revision: string, value: string, signal: AbortSignal): Promise<void> {
    const write = async (path: string): Promise<void> => {
      const request = { key: bytesOf(path), value: bytesOf(value) };
      await this.#client.call((link, settings) => link.put(request, settings), signal, `write ${path}`);
    };
    const { now, old } = this.#metadataPaths(application, revision);
    await write(now);
    await unlessRefused(write(old));
  }

  async listMetadata(application: string, signal: AbortSignal): Promise<readonly string[]> {
    const names = await this.#namesBelow(metadataPrefix(this.#group, application), signal);
    // Beside them stand the categories of an interface, should one be named as the application.
    return names.filter(({ leaf }) => leaf).flatMap(({ name }) => (CATEGORIES.has(name) ? [] : [name]));
  }

  async removeMetadata(application: string, revision: string, signal: AbortSignal): Promise<void> {
    const remove = async (path: string): Promise<void> => {
      const request = { key: bytesOf(path) };
      await this.#client.call((link, settings) => link.deleteRange(request, settings), signal, `remove ${path}`);
    };
    const { now, old } = this.#metadataPaths(application, revision);
    await remove(now);
    await unlessRefused(remove(old));
  }

  #metadataPaths(application: string, revision: string): { readonly now: string; readonly old: string } {
    return {
      now: metadataPrefix(this.#group, application) + revision,
      old: oldMetadataPath(this.#group, application, revision),
    };
  }

  async listApplications(signal: AbortSignal): Promise<readonly string[]> {
    const names = await this.#namesBelow("/services/", signal);
    return names.filter(({ leaf }) => !leaf).map(({ name }) => name);
  }

  async listInterfaces(signal: AbortSignal): Promise<readonly string[]> {
    const names = await this.#namesBelow(mappingPath(this.#group, ""), signal);
    return names.filter(({ leaf }) => leaf).map(({ name }) => name);
  }

  /** Revokes the lease, so that everything on it goes at once; a server that does not answer lets it expire. */
  async close(): Promise<void> {
    // Also without a connection: what hangs on the lease would stand for its time, so one that comes soon is worth the wait.
    if (this.#state === "open" || this.#state === "suspended") {
      const bound = new AbortController();
      const reason = new EtcdUnavailableError(`no answer within ${REVOKE_MS} ms while closing`);
      const { clock } = this.#runtime;
      const timer = clock.setTimeout(() => bound.abort(reason), REVOKE_MS);
      // A member that says nothing is left for another one, while there is time.
      const leave = clock.setTimeout(() => {
        if (this.#parts.config.endpoints.length > 1) this.#client.link?.destroy(reason);
      }, REVOKE_MS / 2);
      const id = await this.#lease.last(bound.signal);
      const ids = new Set([id, ...this.#parts.oldLeases].filter((lease) => lease !== undefined));
      await Promise.all([...ids].map((lease) => this.#revoke(lease, bound.signal)));
      leave.cancel();
      timer.cancel();
    }
    await this.#tearDown("closed");
  }

  /** Never rejects. */
  async #revoke(id: bigint, signal: AbortSignal): Promise<void> {
    for (let attempt = 1; attempt <= 2 && !signal.aborted; attempt++) {
      try {
        await this.#client.callNow(
          (link, settings) => link.leaseRevoke({ ID: id }, settings),
          signal,
          "revoke a lease",
        );
        this.#parts.oldLeases.delete(id);
        return;
      } catch (error) {
        if (isLeaseGone(error)) return;
        // Else another one may do it; or it ends by itself.
      }
    }
  }

  inspect(): unknown {
    const { link } = this.#client;
    return {
      state: this.#state,
      endpoint: link === undefined ? null : `${link.endpoint.host}:${link.endpoint.port}`,
      lease: this.#lease.id === undefined ? null : this.#lease.id.toString(16),
      leaseRemainingMs: this.#lease.id === undefined ? null : Math.round(this.#lease.remainingMs),
      keys: this.#held.size,
      watches: this.#hub.size,
      waitingCalls: this.#client.waiting,
    };
  }

  get #group(): string {
    return this.#parts.config.group;
  }

  #mapping(serviceInterface: string): { readonly key: string } {
    return { key: mappingPath(this.#group, serviceInterface) };
  }

  #configurationSession(): ConfigurationSession {
    const range = (group: string, key: string): KeyRange => ({ key: configurationPath(this.#group, group, key) });
    return {
      watch: (group, key, push, signal) =>
        this.#views.watch(range(group, key), asItIs, (view) => push(textIn(view)), signal),
      unwatch: async (group, key) => this.#views.unwatch(range(group, key)),
      read: async (group, key, signal) => textIn(await this.#views.read(range(group, key), asItIs, signal)),
    };
  }

  /** The next segments below a prefix, each once; a leaf has a value, and nothing below. */
  async #namesBelow(
    prefix: string,
    signal: AbortSignal,
  ): Promise<readonly { readonly name: string; readonly leaf: boolean }[]> {
    const { kvs } = await pagedRange(this.#client, bytesOf(prefix), prefixEnd(prefix), signal, { keysOnly: true });
    const names = new Map<string, boolean>();
    for (const { key } of kvs) {
      const rest = textOf(key).slice(prefix.length);
      const slash = rest.indexOf("/");
      if (slash < 0) names.set(rest, names.get(rest) ?? true);
      else names.set(rest.slice(0, slash), false);
    }
    names.delete("");
    return [...names].map(([name, leaf]) => ({ name, leaf }));
  }

  #up(link: EtcdLink): void {
    this.#hub.attach(link);
    if (this.#state !== "suspended") return;
    const resuming = new AbortController();
    this.#resuming = resuming;
    const { clock } = this.#runtime;
    // A watch that the server refuses is no reason to stay silent about the others.
    const timer = clock.setTimeout(() => resuming.abort(), this.#parts.config.timeoutMs);
    void this.#hub
      .settled(resuming.signal)
      .catch(() => undefined)
      .then(() => {
        timer.cancel();
        if (this.#resuming !== resuming || this.#state !== "suspended") return;
        this.#resuming = undefined;
        this.#state = "open";
        this.#onSuspend?.(undefined);
      });
  }

  #down(reason: Error): void {
    this.#resuming?.abort();
    this.#resuming = undefined;
    this.#hub.detach(reason);
    if (this.#state !== "open") return;
    this.#state = "suspended";
    this.#onSuspend?.(reason);
  }

  #end(reason: Error, certain: boolean): void {
    if (this.#state === "ended" || this.#state === "closed") return;
    if (this.#lease.id !== undefined && !certain) this.#parts.oldLeases.add(this.#lease.id);
    this.#parts.counters.sessionsLost += 1;
    this.#endedBefore = reason;
    void this.#tearDown("ended");
    const { clock } = this.#runtime;
    if (this.#onEnd !== undefined) clock.nextTurn(() => this.#onEnd?.(reason));
  }

  /** Never rejects. */
  async #tearDown(state: "ended" | "closed"): Promise<void> {
    this.#state = state;
    if (state === "closed") this.#onEnd = undefined;
    this.#onSuspend = undefined;
    this.#resuming?.abort();
    this.#held.close();
    this.#views.close();
    await Promise.all([this.#hub.close(), this.#lease.close(), this.#client.close()]);
  }
}

/** Never hastier than a request that is allowed to be slow. */
function pulseOf({ sessionTtlMs, timeoutMs }: EtcdConfig): number {
  return Math.max(Math.min(MAX_PULSE_MS, sessionTtlMs / 3), timeoutMs / 2);
}

const CATEGORIES: ReadonlySet<string> = new Set(["providers", "consumers", "configurators", "routers"]);

function instanceParser(application: string): (key: string, value: string) => Instance | MalformedInstance {
  const { length } = instancesPrefix(application);
  return (key, value) => readInstance(application, key.slice(length), value);
}

function instancesOf(view: KeyView<Instance | MalformedInstance>): SessionInstances {
  const instances: Instance[] = [];
  const malformed: MalformedInstance[] = [];
  for (const entry of view.entries.values()) {
    if (isInstance(entry)) instances.push(entry);
    else malformed.push(entry);
  }
  return { seq: Number(view.revision), instances, malformed };
}

function asItIs(_key: string, value: string): string {
  return value;
}

function textIn(view: KeyView<string>): { readonly seq: number; readonly value: string | undefined } {
  const [value] = view.entries.values();
  return { seq: Number(view.revision), value };
}

/** For the keys of dubbo-go 3.3.0: a user may have rights for those that begin with `/<group>/` only. */
async function unlessRefused<T>(operation: Promise<T>): Promise<T | undefined> {
  try {
    return await operation;
  } catch (error) {
    if (error instanceof EtcdRefusedError) return undefined;
    throw error;
  }
}
