import { asNumber, type JsonObject } from "../json.js";
import type { ConfigEntry, ConfigName, ConfigStore } from "./config-store.js";
import { Failure, type Handler, type HostClient, SUCCESS } from "./host-request.js";
import { contains, descend, type Lineage, type MirrorEntry, type Seed } from "./mirror.js";
import { MirrorType, parts, readOffer } from "./mirror-messages.js";
import type { NamingChange, NamingStore, Publication } from "./naming-store.js";

export interface MirrorFeedOptions {
  /** Random name of this host's life. */
  readonly host: string;
  /** Process of the host: it cannot succeed itself. */
  readonly pid: number;
  push(client: string, type: string, body: object): void;
  /** Publications changed through a seed or an offer. */
  applied(change: NamingChange): void;
  configChanged(name: ConfigName): void;
  /** Whether publications of an earlier host are still of use: soon after the start only. */
  takesPublications(now: number): boolean;
}

/** The host's end of the mirrors: takes seeds and offers in, and tells every Dubhe process what changes. */
export class MirrorFeed {
  readonly #naming: NamingStore;
  readonly #configs: ConfigStore;
  readonly #options: MirrorFeedOptions;
  /** With the place in the line of successors that each was told. */
  readonly #followers = new Map<string, Follower>();
  #lineage: Lineage;

  constructor(naming: NamingStore, configs: ConfigStore, options: MirrorFeedOptions) {
    this.#naming = naming;
    this.#configs = configs;
    this.#options = options;
    this.#lineage = { host: options.host, seq: 0, ancestors: {} };
  }

  get lineage(): Lineage {
    return this.#lineage;
  }

  get followerCount(): number {
    return this.#followers.size;
  }

  handlers(): Record<string, Handler> {
    return {
      [MirrorType.offer]: (client, body, now) => {
        requireDubhe(client);
        return { ...SUCCESS, taken: this.#offered(body, now) };
      },
      [MirrorType.request]: (client, body) => {
        requireDubhe(client);
        this.#follow(client, asNumber(body.since, 0));
        return SUCCESS;
      },
    };
  }

  /** Before anybody connects: there is nobody to tell. */
  seed(seed: Seed, now: number): void {
    for (const entry of seed.entries) {
      if (entry.kind === "config") this.#configs.merge(entry, entry.content, entry.contentType, entry.lastModified);
      else this.#naming.publish({ ...entry, confirmed: false }, now);
    }
    this.#lineage = descend(this.#lineage, seed.lineage);
  }

  publicationsChanged(publications: readonly Publication[]): void {
    this.#tell(publications.map(mirroredPublication));
  }

  configChanged(name: ConfigName, lastModified: number): void {
    const entry = this.#configs.get(name);
    this.#tell([entry === undefined ? removedConfig(name, lastModified) : mirroredConfig(entry)]);
  }

  dropClient(client: string): void {
    if (this.#followers.delete(client)) this.#tellRanks();
  }

  #offered(body: JsonObject, now: number): number {
    const offer = readOffer(body);
    if (contains(this.#lineage, offer.lineage)) return 0;
    const taken = this.#take(offer.entries, now);
    if (offer.last) this.#lineage = descend(this.#lineage, offer.lineage);
    return taken;
  }

  #take(entries: readonly MirrorEntry[], now: number): number {
    let taken = 0;
    for (const entry of entries) {
      if (entry.kind === "config") {
        if (!this.#configs.merge(entry, entry.content, entry.contentType, entry.lastModified)) continue;
        taken += 1;
        this.#options.configChanged(entry);
      } else if (this.#options.takesPublications(now)) {
        const change = this.#naming.publish({ ...entry, confirmed: false }, now);
        if (change.publications.length === 0) continue;
        taken += 1;
        this.#options.applied(change);
      }
    }
    return taken;
  }

  #follow({ id: client, pid }: HostClient, since: number): void {
    this.#followers.set(client, { pid, since, rank: undefined });
    const entries = this.#everything();
    const all = parts(entries);
    all.forEach((part, index) => {
      const reset = index === 0 ? { reset: this.#lineage } : {};
      const body = { ...reset, seq: this.#lineage.seq, entries: part, last: index === all.length - 1 };
      this.#options.push(client, MirrorType.push, body);
    });
    this.#tellRanks();
  }

  /** The longest-lived comes first: an App that is made for one request makes a poor host. */
  #tellRanks(): void {
    let rank = 0;
    const line = [...this.#followers].sort(([, a], [, b]) => a.since - b.since);
    for (const [client, follower] of line) {
      if (follower.pid === this.#options.pid) continue;
      if (follower.rank !== rank)
        this.#options.push(client, MirrorType.push, { seq: this.#lineage.seq, entries: [], rank });
      follower.rank = rank;
      rank += 1;
    }
  }

  #everything(): MirrorEntry[] {
    const entries: MirrorEntry[] = [];
    for (const entry of this.#configs.entries()) entries.push(mirroredConfig(entry));
    for (const removed of this.#configs.tombstones()) entries.push(removedConfig(removed, removed.lastModified));
    for (const publication of this.#naming.publications()) entries.push(mirroredPublication(publication));
    return entries;
  }

  #tell(entries: readonly MirrorEntry[]): void {
    if (entries.length === 0) return;
    const seq = this.#lineage.seq + 1;
    this.#lineage = { ...this.#lineage, seq };
    for (const part of parts(entries)) {
      for (const client of this.#followers.keys()) this.#options.push(client, MirrorType.push, { seq, entries: part });
    }
  }
}

interface Follower {
  readonly pid: number;
  /** When it was made, Unix ms. */
  readonly since: number;
  rank: number | undefined;
}

function requireDubhe(client: HostClient): void {
  if (client.pid === 0) throw new Failure(500, 403, "mirrors are for Dubhe processes");
}

function mirroredConfig(entry: ConfigEntry): MirrorEntry {
  const { tenant, group, dataId, content, contentType, lastModified } = entry;
  return { kind: "config", tenant, group, dataId, content, contentType, lastModified };
}

function removedConfig({ tenant, group, dataId }: ConfigName, lastModified: number): MirrorEntry {
  return { kind: "config", tenant, group, dataId, content: null, contentType: "", lastModified };
}

function mirroredPublication({ service, owner, pid, instances }: Publication): MirrorEntry {
  return { kind: "publication", service, owner, pid, instances };
}
