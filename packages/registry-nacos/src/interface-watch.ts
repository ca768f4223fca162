import type {
  Instance,
  InstancesEvent,
  InstancesWatch,
  InterfaceProvider,
  InterfaceRef,
  MalformedInstance,
  ProvidersEvent,
} from "@dubhe/discovery";
import { instanceToProvider } from "./provider-codec.js";
import type { ServiceWatches } from "./service-watches.js";

type List = Extract<InstancesEvent, { kind: "instances" }>;

interface Member {
  readonly watch: InstancesWatch;
  list: List | undefined;
}

/** What an instance was read as: lists repeat their instances. */
const reads = new WeakMap<Instance, InterfaceProvider | MalformedInstance>();

/**
 * One reference: the services of Nacos that it stands for, put together. A list is told when every one of them is known in the present
 * session, so that none is missing from it; what cannot be read is an error, not an absence.
 */
export class InterfaceWatch {
  readonly ref: InterfaceRef;
  readonly #watches: ServiceWatches;
  readonly #sink: (event: ProvidersEvent) => void;
  readonly #members = new Map<string, Member>();
  /** Epoch in which the names were looked up; Infinity when they need not be. */
  #namedIn: number;
  #seq = 0;
  #told: readonly (List | undefined)[] = [];
  #toldEpoch = -1;
  #lastError: string | undefined;
  /** Members whose answer to a `refresh` has not come; undefined = nobody asked. */
  #refreshing: Set<Member> | undefined;
  #disposed = false;

  constructor(ref: InterfaceRef, watches: ServiceWatches, sink: (event: ProvidersEvent) => void, named: boolean) {
    this.ref = ref;
    this.#watches = watches;
    this.#sink = sink;
    this.#namedIn = named ? Number.POSITIVE_INFINITY : -1;
  }

  get services(): readonly string[] {
    return [...this.#members.keys()];
  }

  get providers(): number {
    let count = 0;
    for (const { list } of this.#members.values()) count += list?.instances.length ?? 0;
    return count;
  }

  /** What the reference stands for now. A service that lists nobody any more may be gone from `names`: it stays watched. */
  named(names: readonly string[], epoch: number): void {
    if (this.#disposed) return;
    for (const name of names) if (!this.#members.has(name)) this.#add(name);
    if (this.#namedIn !== Number.POSITIVE_INFINITY) this.#namedIn = epoch;
    this.#tell(epoch);
  }

  failed(error: Error, epoch: number): void {
    if (this.#disposed || (this.#lastError === error.message && this.#refreshing === undefined)) return;
    this.#lastError = error.message;
    this.#refreshing = undefined;
    this.#sink({ kind: "error", epoch, error });
  }

  refresh(): void {
    if (this.#disposed || this.#refreshing !== undefined) return;
    this.#refreshing = new Set(this.#members.values());
    for (const { watch } of this.#members.values()) watch.refresh?.();
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    const watches = [...this.#members.values()].map(({ watch }) => watch[Symbol.asyncDispose]());
    this.#members.clear();
    await Promise.all(watches);
  }

  #add(name: string): void {
    const watch = this.#watches.watch(name, (event) => {
      if (this.#disposed) return;
      this.#refreshing?.delete(member);
      if (event.kind === "error") return this.failed(event.error, event.epoch);
      member.list = event;
      this.#tell(event.epoch);
    });
    const member: Member = { watch, list: undefined };
    this.#members.set(name, member);
  }

  #tell(epoch: number): void {
    if (this.#namedIn < epoch || (this.#refreshing?.size ?? 0) > 0) return;
    const lists = [...this.#members.values()].map(({ list }) => list);
    if (lists.some((list) => list?.epoch !== epoch)) return;
    const news =
      this.#refreshing !== undefined ||
      this.#lastError !== undefined ||
      this.#toldEpoch !== epoch ||
      lists.length !== this.#told.length ||
      lists.some((list, at) => list?.instances !== this.#told[at]?.instances);
    if (!news) return;
    this.#refreshing = undefined;
    this.#lastError = undefined;
    this.#told = lists;
    this.#toldEpoch = epoch;
    this.#seq += 1;
    this.#sink({ kind: "providers", epoch, seq: this.#seq, ...providersOf(lists) });
  }
}

function providersOf(lists: readonly (List | undefined)[]): {
  readonly providers: readonly InterfaceProvider[];
  readonly malformed: readonly MalformedInstance[];
} {
  const providers: InterfaceProvider[] = [];
  const malformed: MalformedInstance[] = [];
  for (const list of lists) {
    malformed.push(...(list?.malformed ?? []));
    for (const instance of list?.instances ?? []) {
      let read = reads.get(instance);
      if (read === undefined) reads.set(instance, (read = instanceToProvider(instance)));
      if ("reason" in read) malformed.push(read);
      else providers.push(read);
    }
  }
  return { providers, malformed };
}
