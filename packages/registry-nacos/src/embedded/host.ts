import type { Runtime, Timer } from "@dubhe/concurrency";
import { asObject, asString, isObject, type JsonObject } from "../json.js";
import { ERROR_RESPONSE, ErrorCode, RequestType, responseTypeOf, StreamType } from "../messages.js";
import type { Envelope } from "../payload.js";
import { configHandlers } from "./config-handlers.js";
import { ConfigNotices } from "./config-notices.js";
import { type ConfigName, ConfigStore } from "./config-store.js";
import { Failure, type Handler, type HostClient, Refusal, SUCCESS } from "./host-request.js";
import { serviceInfoOf } from "./instance-body.js";
import { markerOf, readMarker, readPidLabel } from "./marker.js";
import type { Seed } from "./mirror.js";
import { MirrorFeed } from "./mirror-feed.js";
import { namingHandlers } from "./naming-handlers.js";
import { type NamingChange, NamingStore, type ServiceName } from "./naming-store.js";
import { PushQueue } from "./push-queue.js";

/** Where the host's messages go. Calls for a client that is gone are ignored. */
export interface HostOutput {
  push(client: string, type: string, body: object): void;
  disconnect(client: string): void;
}

export interface HostOptions {
  /** Process that owns the host; told to Dubhe peers for their error messages. */
  readonly pid: number;
  /** Random name of this host's life. */
  readonly id: string;
  /** What the predecessor held. */
  readonly seed?: Seed | undefined;
  /** How long clients that are no Dubhe are told "starting", so that mirrors and registrations come first. Default 500. */
  readonly startingMs?: number;
  /** How long instances of the predecessor are served without their owner having come back. Default 5 000. */
  readonly confirmMs?: number;
}

export interface HostReply {
  readonly type: string;
  readonly body: object;
}

export interface HostCounters {
  requests: number;
  refused: number;
  pushes: number;
  detections: number;
  evicted: number;
}

/**
 * connected ─(ConnectionSetup)▶ registered ─▶ gone. Only ServerCheck is answered before the setup.
 */
interface Connection {
  client: HostClient | undefined;
  lastActiveAt: number;
  detectionSent: boolean;
}

/** As a Nacos server: a connection that was silent for 20 s is asked, and dropped when it does not answer. */
const IDLE_MS = 20_000;
const DETECTION_MS = 4_000;
const TICK_MS = 1_000;

/**
 * The embedded registry: a Nacos server in memory, as far as Dubbo needs one. Sans-I/O: whoever drives it calls
 * `connected`, `request`, `received` and `disconnected`, and carries out what it says to its output.
 */
export class EmbeddedHost {
  readonly counters: HostCounters = { requests: 0, refused: 0, pushes: 0, detections: 0, evicted: 0 };
  readonly #runtime: Runtime;
  readonly #output: HostOutput;
  readonly #options: HostOptions;
  readonly #startedAt: number;
  readonly #naming = new NamingStore();
  readonly #configs = new ConfigStore();
  readonly #mirrors: MirrorFeed;
  readonly #handlers: ReadonlyMap<string, Handler>;
  readonly #connections = new Map<string, Connection>();
  readonly #pushes: PushQueue<ServiceName>;
  readonly #notices: ConfigNotices;
  #nextPush = 1;
  #confirmTimer: Timer;
  #tick: Timer;
  #closed = false;

  constructor(runtime: Runtime, output: HostOutput, options: HostOptions) {
    this.#runtime = runtime;
    this.#output = output;
    this.#options = options;
    this.#startedAt = runtime.clock.now();
    this.#pushes = new PushQueue(runtime.clock, (service) => this.#pushService(service));
    this.#notices = new ConfigNotices(runtime.clock, (name) => this.#notify(name));
    this.#mirrors = new MirrorFeed(this.#naming, this.#configs, {
      host: options.id,
      pid: options.pid,
      push: (client, type, body) => this.#push(client, type, body),
      applied: (change) => this.#apply(change),
      configChanged: (name) => this.#configChanged(name),
      takesPublications: () => this.#age() < this.#confirmMs,
    });
    this.#handlers = new Map(
      Object.entries({
        [RequestType.healthCheck]: (): object => SUCCESS,
        ...namingHandlers(this.#naming, (change) => this.#apply(change)),
        ...configHandlers(this.#configs, (name) => this.#configChanged(name)),
        ...this.#mirrors.handlers(),
      }),
    );
    if (options.seed !== undefined) this.#mirrors.seed(options.seed, runtime.clock.wallTime());
    this.#confirmTimer = runtime.clock.setTimeout(() => this.#dropUnconfirmed(), this.#confirmMs);
    this.#tick = runtime.clock.setTimeout(() => this.#onTick(), TICK_MS);
  }

  connected(id: string): void {
    this.#connections.set(id, { client: undefined, lastActiveAt: this.#now(), detectionSent: false });
  }

  /** A unary call; `body` undefined = it could not be read. Never throws. */
  request(id: string, { type, body }: { readonly type: string; readonly body: JsonObject | undefined }): HostReply {
    this.counters.requests += 1;
    const connection = this.#touch(id);
    if (connection === undefined)
      return failure(new Failure(500, ErrorCode.connectionUnregistered, "Connection is unregistered."));
    try {
      const reply =
        type === RequestType.serverCheck ? this.#serverCheck(id, body) : this.#dispatch(connection, type, body);
      return { type: responseTypeOf(type), body: reply };
    } catch (error) {
      this.counters.refused += 1;
      return this.#refused(type, error);
    }
  }

  /** A message on the client's stream. */
  received(id: string, { type, body }: Envelope): void {
    const connection = this.#touch(id);
    if (connection === undefined || type !== StreamType.connectionSetup) return;
    const labels = asObject(body.labels);
    connection.client = {
      id,
      version: asString(body.clientVersion),
      application: asString(labels.AppName),
      pid: readPidLabel(labels),
    };
    // Clients of Nacos before 2.3 send no ability table and expect no acknowledgement.
    if (isObject(body.abilityTable))
      this.#output.push(id, StreamType.setupAck, { headers: {}, abilityTable: {}, module: "internal" });
  }

  disconnected(id: string): void {
    if (!this.#connections.delete(id) || this.#closed) return;
    const now = this.#wallTime();
    this.#mirrors.dropClient(id);
    this.#configs.dropClient(id);
    this.#naming.dropSubscriber(id, now);
    this.#apply(this.#naming.dropOwner(id, now));
  }

  inspect(): object {
    const now = this.#now();
    return {
      pid: this.#options.pid,
      lineage: this.#mirrors.lineage,
      ageMs: Math.round(this.#age()),
      services: this.#naming.serviceCount,
      configs: this.#configs.size,
      unconfirmed: this.#naming.unconfirmedCount,
      mirrors: this.#mirrors.followerCount,
      clients: [...this.#connections].map(([id, { client, lastActiveAt }]) => ({
        ...client,
        id,
        idleMs: Math.round(now - lastActiveAt),
      })),
      counters: { ...this.counters },
    };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#confirmTimer.cancel();
    this.#tick.cancel();
    this.#pushes.close();
    this.#notices.close();
    for (const id of this.#connections.keys()) this.#output.disconnect(id);
  }

  get #confirmMs(): number {
    return this.#options.confirmMs ?? 5_000;
  }

  #now(): number {
    return this.#runtime.clock.now();
  }

  #wallTime(): number {
    return Math.floor(this.#runtime.clock.wallTime());
  }

  #age(): number {
    return this.#now() - this.#startedAt;
  }

  #touch(id: string): Connection | undefined {
    const connection = this.#connections.get(id);
    if (connection === undefined) return undefined;
    connection.lastActiveAt = this.#now();
    connection.detectionSent = false;
    return connection;
  }

  #serverCheck(id: string, body: JsonObject | undefined): object {
    if (body === undefined) throw unreadable();
    if (readMarker(body) === undefined && this.#age() < (this.#options.startingMs ?? 500)) {
      throw new Failure(500, 300, "Server is starting,please try later.");
    }
    return { ...SUCCESS, connectionId: id, supportAbilityNegotiation: true, ...markerOf(this.#options.pid) };
  }

  #dispatch(connection: Connection, type: string, body: JsonObject | undefined): object {
    const { client } = connection;
    if (client === undefined) throw new Failure(500, ErrorCode.connectionUnregistered, "Connection is unregistered.");
    const handler = this.#handlers.get(type);
    if (handler === undefined) throw new Failure(500, ErrorCode.noHandler, "RequestHandler Not Found");
    if (body === undefined) throw unreadable();
    return handler(client, body, this.#wallTime());
  }

  #refused(type: string, error: unknown): HostReply {
    if (error instanceof Refusal) {
      const body = {
        resultCode: 500,
        errorCode: error.errorCode,
        message: error.message,
        ...error.extra,
        success: false,
      };
      return { type: responseTypeOf(type), body };
    }
    if (error instanceof Failure) return failure(error);
    this.#runtime.report(error, `${type} in the embedded registry`);
    return failure(new Failure(500, 500, error instanceof Error ? error.message : String(error)));
  }

  #apply(change: NamingChange): void {
    this.#mirrors.publicationsChanged(change.publications);
    for (const service of change.services)
      this.#pushes.changed(`${service.namespace}\0${service.group}\0${service.name}`, service);
  }

  #configChanged(name: ConfigName): void {
    this.#mirrors.configChanged(name, this.#wallTime());
    this.#notices.changed(name);
  }

  #notify(name: ConfigName): void {
    for (const [client, tenant] of this.#configs.listenersOf(name)) {
      const { dataId, group } = name;
      const body = { headers: {}, dataId, group, ...(tenant === "" ? {} : { tenant }), module: "config" };
      this.#push(client, StreamType.configChangeNotify, body);
    }
  }

  #pushService(service: ServiceName): void {
    const view = this.#naming.view(service, this.#wallTime());
    const infos = new Map<string, object>();
    for (const [client, clusters] of this.#naming.subscribersOf(service)) {
      let info = infos.get(clusters);
      if (info === undefined) infos.set(clusters, (info = serviceInfoOf(view, clusters, false)));
      this.#push(client, StreamType.notifySubscriber, { headers: {}, serviceInfo: info, module: "naming" });
    }
  }

  #push(client: string, type: string, body: object): void {
    this.counters.pushes += 1;
    this.#output.push(client, type, { ...body, requestId: String(this.#nextPush++) });
  }

  #dropUnconfirmed(): void {
    this.#apply(this.#naming.dropUnconfirmed(this.#wallTime()));
  }

  #onTick(): void {
    this.#tick = this.#runtime.clock.setTimeout(() => this.#onTick(), TICK_MS);
    this.#naming.sweep(this.#wallTime());
    const now = this.#now();
    for (const [id, connection] of this.#connections) {
      const idle = now - connection.lastActiveAt;
      if (idle < IDLE_MS) continue;
      if (!connection.detectionSent) {
        connection.detectionSent = true;
        this.counters.detections += 1;
        this.#push(id, StreamType.clientDetection, { headers: {}, module: "internal" });
      } else if (idle >= IDLE_MS + DETECTION_MS) {
        this.counters.evicted += 1;
        this.#output.disconnect(id);
        this.disconnected(id);
      }
    }
  }
}

function unreadable(): Failure {
  return new Failure(500, 502, "errCode: 101, errMsg: Nacos deserialize failed.  ");
}

function failure({ resultCode, errorCode, message }: Failure): HostReply {
  return { type: ERROR_RESPONSE, body: { resultCode, errorCode, message, success: false } };
}
