import { createHash } from "node:crypto";

export interface ConfigName {
  /** "" and "public" are the same tenant, as in Nacos 3. */
  readonly tenant: string;
  readonly group: string;
  readonly dataId: string;
}

export interface ConfigEntry extends ConfigName {
  readonly content: string;
  readonly md5: string;
  readonly contentType: string;
  /** Unix ms; grows strictly with every change of the entry. */
  readonly lastModified: number;
}

/** A key that was removed: kept so that an older copy from someone's mirror does not bring it back. */
interface Tombstone extends ConfigName {
  readonly lastModified: number;
}

/** Who listens to a key, and under which spelling of the tenant: notifications repeat that spelling. */
export type ConfigListeners = ReadonlyMap<string, string>;

export type PublishResult = "published" | "unchanged" | "refused";

const MAX_TOMBSTONES = 1_000;
const NO_LISTENERS: ConfigListeners = new Map();

/**
 * Configurations and who listens to them. Pure state; methods take the time and say what changed.
 *
 * CAS is what a Nacos 3.1.0 server does (tried): an empty `casMd5` publishes unconditionally; any other is refused
 * unless it is the md5 of the present content; where the key is absent every `casMd5` succeeds, the customary "0" of a
 * first writer as well as a stale md5.
 */
export class ConfigStore {
  readonly #entries = new Map<string, ConfigEntry>();
  readonly #tombstones = new Map<string, Tombstone>();
  readonly #listeners = new Map<string, Map<string, string>>();
  readonly #byClient = new Map<string, Set<string>>();

  get size(): number {
    return this.#entries.size;
  }

  get(name: ConfigName): ConfigEntry | undefined {
    return this.#entries.get(keyOf(name));
  }

  publish(name: ConfigName, content: string, contentType: string, casMd5: string, now: number): PublishResult {
    const key = keyOf(name);
    const held = this.#entries.get(key);
    if (casMd5 !== "" && held !== undefined && held.md5 !== casMd5) return "refused";
    const md5 = md5Of(content);
    if (held?.md5 === md5) return "unchanged";
    this.#put({
      ...normal(name),
      content,
      md5,
      contentType,
      lastModified: Math.max(now, (held?.lastModified ?? 0) + 1),
    });
    return "published";
  }

  /** False when there was nothing to remove. */
  remove(name: ConfigName, now: number): boolean {
    const key = keyOf(name);
    const held = this.#entries.get(key);
    if (held === undefined) return false;
    this.#entries.delete(key);
    this.#bury({ ...normal(name), lastModified: Math.max(now, held.lastModified + 1) });
    return true;
  }

  /**
   * Takes an entry from someone's mirror (`content` null = removed there). The newer one wins, except in the group of
   * the service name mapping, whose lists only grow: there both are united. Returns whether anything changed.
   */
  merge(name: ConfigName, content: string | null, contentType: string, lastModified: number): boolean {
    const key = keyOf(name);
    const held = this.#entries.get(key);
    const buried = this.#tombstones.get(key);
    if (content === null) {
      if (held !== undefined && held.lastModified >= lastModified) return false;
      this.#entries.delete(key);
      this.#bury({ ...normal(name), lastModified });
      return held !== undefined;
    }
    if (buried !== undefined && buried.lastModified >= lastModified) return false;
    if (held === undefined) {
      this.#put({ ...normal(name), content, md5: md5Of(content), contentType, lastModified });
      return true;
    }
    const merged =
      name.group === MAPPING_GROUP
        ? unite(held.content, content)
        : lastModified > held.lastModified
          ? content
          : held.content;
    if (merged === held.content) return false;
    const stamp = Math.max(lastModified, held.lastModified + 1);
    this.#put({ ...normal(name), content: merged, md5: md5Of(merged), contentType, lastModified: stamp });
    return true;
  }

  /** Returns whether what the client holds (`md5`, "" = nothing) differs from what is here. */
  listen(client: string, name: ConfigName, md5: string): boolean {
    const key = keyOf(name);
    let listeners = this.#listeners.get(key);
    if (listeners === undefined) this.#listeners.set(key, (listeners = new Map()));
    listeners.set(client, name.tenant);
    let keys = this.#byClient.get(client);
    if (keys === undefined) this.#byClient.set(client, (keys = new Set()));
    keys.add(key);
    return (this.#entries.get(key)?.md5 ?? "") !== md5;
  }

  unlisten(client: string, name: ConfigName): void {
    const key = keyOf(name);
    this.#forget(key, client);
    const keys = this.#byClient.get(client);
    keys?.delete(key);
    if (keys?.size === 0) this.#byClient.delete(client);
  }

  dropClient(client: string): void {
    for (const key of this.#byClient.get(client) ?? []) this.#forget(key, client);
    this.#byClient.delete(client);
  }

  listenersOf(name: ConfigName): ConfigListeners {
    return this.#listeners.get(keyOf(name)) ?? NO_LISTENERS;
  }

  entries(): IterableIterator<ConfigEntry> {
    return this.#entries.values();
  }

  tombstones(): IterableIterator<ConfigName & { readonly lastModified: number }> {
    return this.#tombstones.values();
  }

  #put(entry: ConfigEntry): void {
    this.#entries.set(keyOf(entry), entry);
    this.#tombstones.delete(keyOf(entry));
  }

  #bury(tombstone: Tombstone): void {
    const key = keyOf(tombstone);
    this.#tombstones.delete(key);
    this.#tombstones.set(key, tombstone);
    if (this.#tombstones.size <= MAX_TOMBSTONES) return;
    for (const oldest of this.#tombstones.keys()) {
      this.#tombstones.delete(oldest);
      return;
    }
  }

  #forget(key: string, client: string): void {
    const listeners = this.#listeners.get(key);
    listeners?.delete(client);
    if (listeners?.size === 0) this.#listeners.delete(key);
  }
}

export const MAPPING_GROUP = "mapping";

export function md5Of(content: string): string {
  return createHash("md5").update(content, "utf8").digest("hex");
}

export function normalTenant(tenant: string): string {
  return tenant === "public" ? "" : tenant;
}

function normal(name: ConfigName): ConfigName {
  return { tenant: normalTenant(name.tenant), group: name.group, dataId: name.dataId };
}

function keyOf(name: ConfigName): string {
  return `${normalTenant(name.tenant)}\0${name.group}\0${name.dataId}`;
}

function unite(held: string, offered: string): string {
  const names = new Set(`${held},${offered}`.split(",").map((name) => name.trim()));
  names.delete("");
  return [...names].join(",");
}
