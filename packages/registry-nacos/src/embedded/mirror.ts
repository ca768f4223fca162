import { asArray, asNumber, asObject, asString, asStringMap, type JsonObject } from "../json.js";
import { type HostInstance, readHostInstances } from "./instance-body.js";
import type { ServiceName } from "./naming-store.js";

/**
 * What every Dubhe process holds of the host's state, so that any of them can take over: all configurations and all
 * publications, of all namespaces. Real Nacos clients hold only what they use, and never write the service name mapping
 * a second time; without a mirror it would die with the host.
 *
 * A lineage says which states a copy contains: `host` up to its change number `seq`, and of each earlier host up to the
 * number in `ancestors`. An offer whose lineage the receiver already contains has nothing new in it.
 */
export interface Lineage {
  /** Random name of one host's life. Empty: nothing was ever mirrored. */
  readonly host: string;
  readonly seq: number;
  readonly ancestors: Readonly<Record<string, number>>;
}

export interface MirroredConfig {
  readonly kind: "config";
  readonly tenant: string;
  readonly group: string;
  readonly dataId: string;
  /** Null = removed. */
  readonly content: string | null;
  readonly contentType: string;
  /** Unix ms. */
  readonly lastModified: number;
}

export interface MirroredPublication {
  readonly kind: "publication";
  readonly service: ServiceName;
  readonly owner: string;
  /** Process behind the owner; 0 = not known. */
  readonly pid: number;
  /** Empty = withdrawn. */
  readonly instances: readonly HostInstance[];
}

export type MirrorEntry = MirroredConfig | MirroredPublication;

/** What a host begins with. */
export interface Seed {
  readonly lineage: Lineage;
  readonly entries: readonly MirrorEntry[];
}

export const NO_LINEAGE: Lineage = Object.freeze({ host: "", seq: 0, ancestors: Object.freeze({}) });

const MAX_ANCESTORS = 16;

/** Whether everything in a copy with lineage `copy` is also in one with lineage `holder`. */
export function contains(holder: Lineage, copy: Lineage): boolean {
  if (copy.host === "") return true;
  if (copy.host === holder.host) return copy.seq <= holder.seq;
  return (holder.ancestors[copy.host] ?? -1) >= copy.seq;
}

/** The lineage of a new host that starts from a copy, or takes one in. */
export function descend(holder: Lineage, copy: Lineage): Lineage {
  if (copy.host === "" || contains(holder, copy)) return holder;
  const known: Record<string, number> = { ...holder.ancestors };
  for (const [host, seq] of [...Object.entries(copy.ancestors), [copy.host, copy.seq] as const]) {
    if (host !== holder.host) known[host] = Math.max(known[host] ?? 0, seq);
  }
  const newest = Object.entries(known).slice(-MAX_ANCESTORS);
  return { host: holder.host, seq: holder.seq, ancestors: Object.fromEntries(newest) };
}

/** A client's copy of the host's state. Pure. */
export class Mirror {
  readonly #entries = new Map<string, MirrorEntry>();
  #lineage: Lineage = NO_LINEAGE;

  get lineage(): Lineage {
    return this.#lineage;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Forgets all: a full copy of the state with this lineage follows. */
  reset(lineage: Lineage): void {
    this.#entries.clear();
    this.#lineage = lineage;
  }

  apply(entries: readonly MirrorEntry[], seq: number): void {
    for (const entry of entries) {
      const key = keyOf(entry);
      if (entry.kind === "publication" && entry.instances.length === 0) this.#entries.delete(key);
      else this.#entries.set(key, entry);
    }
    this.#lineage = { ...this.#lineage, seq: Math.max(seq, this.#lineage.seq) };
  }

  entries(): readonly MirrorEntry[] {
    return [...this.#entries.values()];
  }

  /** For a new host. What was published by a process that is known to be dead is left out: it died with it. */
  seed(isDead: (pid: number) => boolean): Seed {
    const dead = new Map<number, boolean>();
    const keep = (entry: MirrorEntry): boolean => {
      if (entry.kind === "config" || entry.pid === 0) return true;
      let known = dead.get(entry.pid);
      if (known === undefined) dead.set(entry.pid, (known = isDead(entry.pid)));
      return !known;
    };
    return { lineage: this.#lineage, entries: this.entries().filter(keep) };
  }
}

function keyOf(entry: MirrorEntry): string {
  if (entry.kind === "config") return `c\0${entry.tenant}\0${entry.group}\0${entry.dataId}`;
  const { namespace, group, name } = entry.service;
  return `p\0${namespace}\0${group}\0${name}\0${entry.owner}`;
}

export function readLineage(value: unknown): Lineage {
  const object = asObject(value);
  const ancestors: Record<string, number> = {};
  for (const [host, seq] of Object.entries(asObject(object.ancestors))) ancestors[host] = asNumber(seq, 0);
  return { host: asString(object.host), seq: asNumber(object.seq, 0), ancestors };
}

/** Entries from JSON; what is of no known kind is left out, so that a newer peer may send more. */
export function readMirrorEntries(value: unknown): readonly MirrorEntry[] {
  const entries: MirrorEntry[] = [];
  for (const item of asArray(value)) {
    const entry = readEntry(asObject(item));
    if (entry !== undefined) entries.push(entry);
  }
  return entries;
}

function readEntry(object: JsonObject): MirrorEntry | undefined {
  if (object.kind === "config") {
    return {
      kind: "config",
      tenant: asString(object.tenant),
      group: asString(object.group),
      dataId: asString(object.dataId),
      content: object.content === null ? null : asString(object.content),
      contentType: asString(object.contentType, "text"),
      lastModified: asNumber(object.lastModified, 0),
    };
  }
  if (object.kind !== "publication") return undefined;
  const { namespace = "", group = "", name = "" } = asStringMap(object.service);
  const service = { namespace, group, name };
  return {
    kind: "publication",
    service,
    owner: asString(object.owner),
    pid: asNumber(object.pid, 0),
    instances: readHostInstances(object.instances, service),
  };
}
