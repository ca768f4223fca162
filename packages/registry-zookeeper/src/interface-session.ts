import type { Runtime } from "@dubhe/concurrency";
import {
  encodeProviderUrl,
  formatProviderUrl,
  type InterfaceProvider,
  type InterfaceRef,
  type InterfaceSession,
  type MalformedInstance,
  ownerOf,
  parseProviderUrl,
  providerKey,
  type SessionProviders,
} from "@dubhe/discovery";
import { Directory, type DirectoryOptions } from "./directory.js";
import { isCode } from "./errors.js";
import type { Layout } from "./layout.js";
import type { OwnedNodes } from "./owned-nodes.js";
import { join } from "./paths.js";
import type { ZookeeperSession } from "./session.js";

type Provider = InterfaceProvider | MalformedInstance;

/** What the session and its parts share. */
export interface SessionParts {
  readonly runtime: Runtime;
  readonly session: ZookeeperSession;
  readonly layout: Layout;
  readonly nodes: OwnedNodes;
  readonly recursive: boolean;
  /** Orders what was read within the session. */
  nextSeq(): number;
}

interface Watched {
  readonly directory: Directory<Provider>;
  /** By (group, version): they share the directory of their interface. */
  readonly pushes: Map<string, (list: SessionProviders) => void>;
}

const NO_DATA = Buffer.alloc(0);

/** Provider URLs below `/dubbo/<interface>/providers`. The URL is the node's name, so a change of it is another node. */
export class ZookeeperInterfaces implements InterfaceSession {
  readonly #parts: SessionParts;
  /** The node of each provider that this session registered. */
  readonly #nodes = new Map<string, string>();
  readonly #watched = new Map<string, Watched>();

  constructor(parts: SessionParts) {
    this.#parts = parts;
  }

  async register(provider: InterfaceProvider, signal: AbortSignal): Promise<void> {
    const { nodes, session } = this.#parts;
    const key = providerKey(provider);
    const path = this.#pathOf(provider);
    const old = this.#nodes.get(key);
    const owner = ownerOf(provider.instance);
    // The nonce is part of the name: what has this name is ours.
    if (old === undefined || old === path) {
      await nodes.put(path, NO_DATA, owner, () => owner, signal);
    } else {
      try {
        await session.transact(
          [
            { kind: "create", path, data: NO_DATA, acl: session.acl },
            { kind: "delete", path: old, version: -1 },
          ],
          signal,
        );
      } catch (error) {
        if (!isCode(error, "NO_NODE") && !isCode(error, "NODE_EXISTS")) throw error;
        await nodes.put(path, NO_DATA, owner, () => owner, signal);
        await session.delete(old, -1, signal);
      }
    }
    this.#nodes.set(key, path);
  }

  async deregister(provider: InterfaceProvider, signal: AbortSignal): Promise<void> {
    const key = providerKey(provider);
    const owner = ownerOf(provider.instance);
    const paths = new Set([this.#nodes.get(key) ?? this.#pathOf(provider), this.#pathOf(provider)]);
    for (const path of paths) await this.#parts.nodes.remove(path, owner, () => owner, signal);
    this.#nodes.delete(key);
  }

  async watch(ref: InterfaceRef, push: (list: SessionProviders) => void, signal: AbortSignal): Promise<void> {
    let watched = this.#watched.get(ref.service);
    if (watched === undefined) {
      const pushes: Watched["pushes"] = new Map();
      const { runtime, session, layout, recursive } = this.#parts;
      const path = layout.providers(ref.service);
      const directory = new Directory(runtime, session, path, providers(recursive), (values) => {
        const list = this.#list(values);
        for (const each of [...pushes.values()]) each(list);
      });
      watched = { directory, pushes };
      this.#watched.set(ref.service, watched);
    }
    watched.pushes.set(refKey(ref), push);
    await watched.directory.arm(signal);
  }

  async unwatch(ref: InterfaceRef, signal: AbortSignal): Promise<void> {
    const watched = this.#watched.get(ref.service);
    if (watched === undefined) return;
    watched.pushes.delete(refKey(ref));
    if (watched.pushes.size > 0) return;
    this.#watched.delete(ref.service);
    await watched.directory.dispose(signal);
  }

  async read(ref: InterfaceRef): Promise<SessionProviders> {
    const { runtime, session, layout } = this.#parts;
    const directory =
      this.#watched.get(ref.service)?.directory ??
      new Directory(runtime, session, layout.providers(ref.service), providers(true), () => undefined);
    return this.#list(await directory.read());
  }

  #pathOf(provider: InterfaceProvider): string {
    return join(this.#parts.layout.providers(provider.service.name), encodeProviderUrl(formatProviderUrl(provider)));
  }

  #list(values: readonly Provider[]): SessionProviders {
    return {
      seq: this.#parts.nextSeq(),
      providers: values.filter((value): value is InterfaceProvider => "service" in value),
      malformed: values.filter((value): value is MalformedInstance => "reason" in value),
    };
  }
}

function providers(recursive: boolean): DirectoryOptions<Provider> {
  return {
    recursive,
    data: false,
    decode(name) {
      const parsed = parseProviderUrl(name);
      return parsed.ok ? parsed.provider : { id: name, reason: parsed.reason };
    },
    unreadable: (name, error) => ({ id: name, reason: error.message }),
  };
}

function refKey({ group, version }: InterfaceRef): string {
  return JSON.stringify([group, version]);
}
