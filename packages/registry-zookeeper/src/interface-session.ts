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
  refKey,
  type SessionProviders,
} from "@dubhe/discovery";
import { Continued } from "./continued.js";
import { Directories } from "./directories.js";
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

const NO_DATA = Buffer.alloc(0);

/** Provider URLs below `/dubbo/<interface>/providers`. The URL is the node's name, so a change of it is another node. */
export class ZookeeperInterfaces implements InterfaceSession {
  readonly #parts: SessionParts;
  /** By provider, the nodes of this session that may be there: several after a change, or an answer that came too late. */
  readonly #nodes = new Map<string, Set<string>>();
  /** By interface: refs of one interface share its directory. */
  readonly #directories: Directories<Provider>;
  readonly #continued = new Continued();

  constructor(parts: SessionParts) {
    this.#parts = parts;
    this.#directories = new Directories((service, push) => this.#directory(service, parts.recursive, push));
  }

  register(provider: InterfaceProvider, signal: AbortSignal): Promise<void> {
    const path = this.#pathOf(provider);
    return this.#continued.run(providerKey(provider), `put ${path}`, signal, () => this.#put(provider, path));
  }

  deregister(provider: InterfaceProvider, signal: AbortSignal): Promise<void> {
    return this.#continued.run(providerKey(provider), "remove", signal, () => this.#remove(provider));
  }

  watch(ref: InterfaceRef, push: (list: SessionProviders) => void, signal: AbortSignal): Promise<void> {
    return this.#directories.watch(ref.service, refKey(ref), (values) => push(this.#list(values)), signal);
  }

  unwatch(ref: InterfaceRef, signal: AbortSignal): Promise<void> {
    return this.#directories.unwatch(ref.service, refKey(ref), signal);
  }

  async read(ref: InterfaceRef): Promise<SessionProviders> {
    const directory = this.#directories.get(ref.service) ?? this.#directory(ref.service, true, () => undefined);
    return this.#list(await directory.read());
  }

  async #put(provider: InterfaceProvider, path: string): Promise<void> {
    const { nodes, session } = this.#parts;
    const paths = this.#pathsOf(provider).add(path);
    const others = [...paths].filter((other) => other !== path);
    if (others.length !== 1 || !(await this.#replaced(others[0] ?? "", path))) {
      // The nonce is part of the name: what has this name is ours.
      const owner = ownerOf(provider.instance);
      await nodes.put(path, NO_DATA, owner, () => owner);
      await Promise.all(others.map((other) => session.delete(other, -1)));
    }
    for (const other of others) paths.delete(other);
  }

  async #remove(provider: InterfaceProvider): Promise<void> {
    const paths = this.#pathsOf(provider).add(this.#pathOf(provider));
    // Without a look, which might be at a server that does not show yet what another one has done for us.
    await Promise.all([...paths].map((path) => this.#parts.session.delete(path, -1)));
    this.#nodes.delete(providerKey(provider));
  }

  /** In one transaction. False when things are not as they were thought to be. */
  async #replaced(old: string, path: string): Promise<boolean> {
    const { session } = this.#parts;
    try {
      await session.transact([
        { kind: "create", path, data: NO_DATA, acl: session.acl },
        { kind: "delete", path: old, version: -1 },
      ]);
      return true;
    } catch (error) {
      if (isCode(error, "NO_NODE") || isCode(error, "NODE_EXISTS")) return false;
      throw error;
    }
  }

  #directory(service: string, recursive: boolean, push: (values: readonly Provider[]) => void): Directory<Provider> {
    const { runtime, session, layout } = this.#parts;
    return new Directory(runtime, session, layout.providers(service), providers(recursive), push);
  }

  #pathsOf(provider: InterfaceProvider): Set<string> {
    const key = providerKey(provider);
    const paths = this.#nodes.get(key) ?? new Set();
    this.#nodes.set(key, paths);
    return paths;
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
