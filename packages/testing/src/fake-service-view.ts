import { type Runtime, type Watched, WatchedCell } from "@dubhe/concurrency";
import {
  type BoundState,
  createInstance,
  type Delta,
  type EndpointTable,
  type Excluded,
  type NameState,
  type ResolvedEndpoint,
  type ServiceRef,
  type ServiceView,
} from "@dubhe/discovery";

/** What of an endpoint a test cares about; the rest has defaults. */
export interface FakeEndpoint {
  /** `host:port`. */
  readonly address: string;
  readonly application?: string;
  readonly registry?: string;
  readonly weight?: number;
  readonly healthy?: boolean;
  readonly enabled?: boolean;
  readonly revision?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Where else the address is known. */
  readonly others?: readonly FakeEndpoint[];
}

/** Makes what discovery would have found. */
export function resolvedEndpoint(fake: FakeEndpoint): ResolvedEndpoint {
  const colon = fake.address.lastIndexOf(":");
  const host = fake.address.slice(0, colon);
  const port = Number(fake.address.slice(colon + 1));
  const application = fake.application ?? "shop";
  const registryId = fake.registry ?? "fake";
  const instance = createInstance({
    application,
    host,
    port,
    weight: fake.weight ?? 100,
    healthy: fake.healthy ?? true,
    enabled: fake.enabled ?? true,
    metadata: fake.metadata ?? {},
  });
  return {
    key: `${registryId}|${application}|${fake.address}`,
    registryId,
    instance,
    host,
    port,
    service: { name: "test.Service", group: "", version: "", protocol: "tri", port, path: "test.Service", params: {} },
    weight: instance.weight,
    tag: "",
    revision: fake.revision ?? "r1",
    ...(fake.others === undefined ? undefined : { others: fake.others.map(resolvedEndpoint) }),
  };
}

/** A view of a service that knows what the test says. Starts as `pending`. */
export class FakeServiceView implements ServiceView {
  readonly ref: ServiceRef;
  readonly #cell: WatchedCell<NameState>;
  readonly #endpoints = new Map<string, ResolvedEndpoint>();
  readonly #log: string[] = [];
  #listed: readonly ResolvedEndpoint[] | undefined;
  readonly table: EndpointTable;
  /** Deltas reach back so far; 0 = every change is told as a whole. */
  logSize = 100;
  excluded: readonly Excluded[] = [];
  complete = true;
  resolving = false;

  constructor(runtime: Runtime, ref: Partial<ServiceRef> = {}) {
    this.ref = { service: "test.Service", group: "", version: "", protocol: "tri", ...ref };
    this.#cell = new WatchedCell<NameState>(runtime, { state: "pending" });
    const endpoints = this.#endpoints;
    this.table = {
      get size() {
        return endpoints.size;
      },
      at: (index) => this.#values()[index],
      get: (key) => endpoints.get(key),
      values: () => this.#values(),
    };
  }

  get state(): Watched<NameState> {
    return this.#cell;
  }

  get gen(): number {
    return this.#log.length;
  }

  changesSince(gen: number): Delta | "full" {
    if (gen > this.gen || gen < this.gen - this.logSize) return "full";
    const keys = [...new Set(this.#log.slice(gen))];
    return {
      gen: this.gen,
      upserted: keys.flatMap((key) => this.#endpoints.get(key) ?? []),
      removed: keys.filter((key) => !this.#endpoints.has(key)),
    };
  }

  /** Adds or replaces endpoints, and is bound. */
  put(...endpoints: readonly FakeEndpoint[]): void {
    for (const endpoint of endpoints) this.#set(resolvedEndpoint(endpoint));
    this.bind();
  }

  /** Removes the instances at these addresses, and is bound. */
  remove(...addresses: readonly string[]): void {
    for (const endpoint of [...this.#endpoints.values()]) {
      if (addresses.includes(`${endpoint.host}:${endpoint.port}`)) this.#delete(endpoint.key);
    }
    this.bind();
  }

  /** Publishes what `excluded`, `complete` and `resolving` say now. */
  bind(freshness: BoundState["freshness"] = "fresh"): void {
    this.#cell.set({
      state: "bound",
      endpoints: this.#values(),
      excluded: this.excluded,
      complete: this.complete,
      resolving: this.resolving,
      freshness,
      gen: this.gen,
    });
  }

  /** Nothing is bound: the table is empty. */
  set(state: Exclude<NameState, BoundState>): void {
    for (const key of [...this.#endpoints.keys()]) this.#delete(key);
    this.#cell.set(state);
  }

  #values(): readonly ResolvedEndpoint[] {
    this.#listed ??= [...this.#endpoints.values()];
    return this.#listed;
  }

  #set(endpoint: ResolvedEndpoint): void {
    this.#listed = undefined;
    this.#endpoints.set(endpoint.key, endpoint);
    this.#log.push(endpoint.key);
  }

  #delete(key: string): void {
    this.#listed = undefined;
    if (this.#endpoints.delete(key)) this.#log.push(key);
  }
}
