import { create } from "@bufbuild/protobuf";
import { type Runtime, WatchedCell } from "@dubhe/concurrency";
import {
  type HealthCheckResponse,
  HealthCheckResponseSchema,
  HealthCheckResponse_ServingStatus as WireStatus,
} from "../../gen/grpc/health/v1/health_pb.js";
import { Code } from "../code.js";
import { RpcError } from "../rpc-error.js";
import { type HealthSubject, HealthWatch } from "./health-watch.js";

export type ServingStatus = "UNKNOWN" | "SERVING" | "NOT_SERVING";

/** A Watch of a name that nobody knows has to remember it. No name of a service is that long. */
const maxUnknownName = 1024;

/** All that can be said of a service; the messages are shared by all answers. */
const answers: Readonly<Record<ServingStatus | "SERVICE_UNKNOWN", HealthCheckResponse>> = {
  UNKNOWN: create(HealthCheckResponseSchema, { status: WireStatus.UNKNOWN }),
  SERVING: create(HealthCheckResponseSchema, { status: WireStatus.SERVING }),
  NOT_SERVING: create(HealthCheckResponseSchema, { status: WireStatus.NOT_SERVING }),
  SERVICE_UNKNOWN: create(HealthCheckResponseSchema, { status: WireStatus.SERVICE_UNKNOWN }),
};

/** One name, for as long as it has a status or somebody watches it. */
class Entry {
  chosen: ServingStatus | undefined = undefined;
  standard: ServingStatus | undefined = undefined;
  watches = 0;
  readonly cell: WatchedCell<HealthCheckResponse>;

  constructor(runtime: Runtime) {
    this.cell = new WatchedCell<HealthCheckResponse>(runtime, answers.SERVICE_UNKNOWN);
  }

  get known(): boolean {
    return this.chosen !== undefined || this.standard !== undefined;
  }
}

/**
 * What a server says of its health by `grpc.health.v1`: a status for each name, "" is the server as a whole. Names are
 * independent of each other: as in gRPC, no service speaks for the server, nor the other way round.
 *
 *     open ──shutDown──▶ leaving: all NOT_SERVING, nothing changes any more ──close──▶ closed: watches have ended
 *     open ──close────────────────────────────────────────────────────────────────────▶ closed
 */
export class Health {
  /** For `RpcServer.add`; `addHealth` does it. */
  readonly implementation: {
    check(request: { readonly service: string }): HealthCheckResponse;
    list(): { readonly statuses: Record<string, HealthCheckResponse> };
    watch(request: { readonly service: string }): AsyncIterableIterator<HealthCheckResponse>;
  };
  readonly #runtime: Runtime;
  readonly #entries = new Map<string, Entry>();
  #state: "open" | "leaving" | "closed" = "open";

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
    this.implementation = {
      check: ({ service }) => this.#check(service),
      list: () => ({ statuses: Object.fromEntries(this.#known((entry) => entry.cell.value)) }),
      watch: ({ service }) => {
        if (service.length > maxUnknownName && !this.#entries.has(service))
          throw new RpcError("no service has such a long name", Code.InvalidArgument);
        return new HealthWatch(() => this.#take(service));
      },
    };
  }

  /** The application's word. It holds, whatever the server itself has to say, until `reset` or the server leaves. */
  set(service: string, status: ServingStatus): this {
    checkStatus(status);
    this.#change(service, (entry) => {
      entry.chosen = status;
    });
    return this;
  }

  /** Takes back what `set` said: the standard status holds again, and without one the name is unknown. */
  reset(service: string): this {
    this.#change(service, (entry) => {
      entry.chosen = undefined;
    });
    return this;
  }

  /** For whoever runs the server: the status that holds while the application has not `set` one; undefined for none. */
  setStandard(service: string, status: ServingStatus | undefined): this {
    if (status !== undefined) checkStatus(status);
    this.#change(service, (entry) => {
      entry.standard = status;
    });
    return this;
  }

  /** How many names are kept: those that are known and those that are watched. */
  get size(): number {
    return this.#entries.size;
  }

  /** Undefined: unknown. */
  get(service: string): ServingStatus | undefined {
    const entry = this.#entries.get(service);
    return entry?.known ? this.#statusOf(entry) : undefined;
  }

  /** All that are known, by name. */
  all(): ReadonlyMap<string, ServingStatus> {
    return new Map(this.#known((entry) => this.#statusOf(entry)));
  }

  /** Everything is NOT_SERVING, for good; the watchers are told. Idempotent. */
  shutDown(): void {
    if (this.#state !== "open") return;
    this.#state = "leaving";
    for (const entry of this.#entries.values()) this.#tell(entry);
  }

  /**
   * Shuts down, and ends the watches with UNAVAILABLE once they have been told, because a connection with a watch on it
   * never comes to an end by itself. Idempotent.
   */
  close(): void {
    this.shutDown();
    this.#state = "closed";
    for (const entry of this.#entries.values()) entry.cell.close();
  }

  #check(service: string): HealthCheckResponse {
    const entry = this.#entries.get(service);
    if (!entry?.known) throw new RpcError("unknown service", Code.NotFound);
    return entry.cell.value;
  }

  #take(service: string): HealthSubject {
    const entry = this.#entries.get(service) ?? this.#addEntry(service);
    entry.watches++;
    return {
      status: entry.cell,
      release: () => {
        entry.watches--;
        this.#forget(service, entry);
      },
    };
  }

  #change(service: string, change: (entry: Entry) => void): void {
    if (this.#state !== "open") return;
    const entry = this.#entries.get(service) ?? this.#addEntry(service);
    change(entry);
    this.#tell(entry);
    this.#forget(service, entry);
  }

  #addEntry(service: string): Entry {
    const entry = new Entry(this.#runtime);
    this.#entries.set(service, entry);
    if (this.#state === "closed") entry.cell.close();
    return entry;
  }

  #forget(service: string, entry: Entry): void {
    if (!entry.known && entry.watches === 0) this.#entries.delete(service);
  }

  #tell(entry: Entry): void {
    entry.cell.set(answers[entry.known ? this.#statusOf(entry) : "SERVICE_UNKNOWN"]);
  }

  #statusOf(entry: Entry): ServingStatus {
    return this.#state === "open" ? (entry.chosen ?? entry.standard ?? "UNKNOWN") : "NOT_SERVING";
  }

  *#known<T>(value: (entry: Entry) => T): Generator<[string, T]> {
    for (const [service, entry] of this.#entries) if (entry.known) yield [service, value(entry)];
  }
}

function checkStatus(status: ServingStatus): void {
  if (status !== "SERVING" && status !== "NOT_SERVING" && status !== "UNKNOWN")
    throw new TypeError(`a health status is "SERVING", "NOT_SERVING" or "UNKNOWN", not ${JSON.stringify(status)}`);
}
