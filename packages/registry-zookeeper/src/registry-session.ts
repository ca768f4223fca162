import type { Runtime } from "@dubhe/concurrency";
import {
  type ConfigurationSession,
  type Instance,
  type InterfaceSession,
  type MalformedInstance,
  ownerOf,
  parseMetadataInfo,
  type RegistrySession,
  type SessionConfiguration,
  type SessionInstances,
  type SessionMapping,
} from "@dubhe/discovery";
import { Continued } from "./continued.js";
import { Directories } from "./directories.js";
import { Directory, type DirectoryOptions } from "./directory.js";
import { isCode, toError } from "./errors.js";
import { decodeInstance, encodeInstance, isMalformed } from "./instance-codec.js";
import { type SessionParts, ZookeeperInterfaces } from "./interface-session.js";
import type { Layout } from "./layout.js";
import { NodeWatch } from "./node-watch.js";
import type { NodeData } from "./operations.js";
import { OwnedNodes } from "./owned-nodes.js";
import type { ZookeeperSession } from "./session.js";

export interface RegistrySessionOptions {
  /** Whether the server has recursive watches. */
  readonly recursive: boolean;
  /** See {@link OwnedNodes}. */
  readonly foreignWaitMs: number;
  /** Metadata that this process has written, in any session: dubbo-java's path → whether it is in both places for certain. */
  readonly written: Map<string, boolean>;
}

/** What a write of a mapping compares, beside what orders it. */
interface VersionedMapping extends SessionMapping {
  readonly version: number;
}

/** Beside revisions, what other peers keep in the same directories: interface-level nodes and service definitions. */
const NO_REVISIONS: ReadonlySet<string> = new Set([
  "providers",
  "consumers",
  "configurators",
  "routers",
  "provider",
  "consumer",
]);

/** Dubbo's layout in one ZooKeeper session. See {@link Layout}. */
export class ZookeeperRegistrySession implements RegistrySession {
  readonly interfaces: InterfaceSession;
  readonly configuration: ConfigurationSession;
  readonly #parts: SessionParts;
  readonly #instances: Directories<Instance | MalformedInstance>;
  /** By path: mappings and configurations. */
  readonly #nodes = new Map<string, NodeWatch>();
  /** When each instance was registered in this session. */
  readonly #registeredAt = new Map<string, number>();
  readonly #continued = new Continued();
  readonly #written: Map<string, boolean>;
  #seq = 0;

  constructor(runtime: Runtime, session: ZookeeperSession, layout: Layout, options: RegistrySessionOptions) {
    const { recursive } = options;
    this.#written = options.written;
    const nodes = new OwnedNodes(runtime, session, options.foreignWaitMs);
    this.#parts = { runtime, session, layout, nodes, recursive, nextSeq: () => ++this.#seq };
    this.#instances = new Directories((application, push) => this.#directory(application, recursive, push));
    this.interfaces = new ZookeeperInterfaces(this.#parts);
    this.configuration = {
      watch: (group, key, push, signal) =>
        this.#watchNode(layout.configuration(group, key), (node) => push(this.#configuration(node)), signal),
      unwatch: (group, key, signal) => this.#unwatchNode(layout.configuration(group, key), signal),
      read: async (group, key, signal) =>
        this.#configuration(await this.#readNode(layout.configuration(group, key), signal)),
    };
  }

  get session(): ZookeeperSession {
    return this.#parts.session;
  }

  onEnd(listener: (reason: Error) => void): void {
    this.session.onEnd(listener);
  }

  onSuspend(listener: (reason: Error | undefined) => void): void {
    this.session.onSuspend(listener);
  }

  async register(instance: Instance, signal: AbortSignal): Promise<void> {
    const { runtime, layout, nodes } = this.#parts;
    const path = layout.instance(instance);
    const registeredAt = this.#registeredAt.get(path) ?? runtime.clock.wallTime();
    this.#registeredAt.set(path, registeredAt);
    const owner = ownerOf(instance);
    await nodes.put(path, encodeInstance(instance, Math.trunc(registeredAt)), owner, ownerOfNode, signal);
  }

  async deregister(instance: Instance, signal: AbortSignal): Promise<void> {
    const path = this.#parts.layout.instance(instance);
    await this.#parts.nodes.remove(path, ownerOf(instance), ownerOfNode, signal);
    this.#registeredAt.delete(path);
  }

  watchInstances(application: string, push: (list: SessionInstances) => void, signal: AbortSignal): Promise<void> {
    return this.#instances.watch(application, "", (values) => push(this.#list(values)), signal);
  }

  unwatchInstances(application: string, signal: AbortSignal): Promise<void> {
    return this.#instances.unwatch(application, "", signal);
  }

  async readInstances(application: string): Promise<SessionInstances> {
    const directory = this.#instances.get(application) ?? this.#directory(application, true, () => undefined);
    return this.#list(await directory.read());
  }

  watchMapping(serviceInterface: string, push: (mapping: SessionMapping) => void, signal: AbortSignal): Promise<void> {
    return this.#watchNode(this.#parts.layout.mapping(serviceInterface), (node) => push(this.#mapping(node)), signal);
  }

  unwatchMapping(serviceInterface: string, signal: AbortSignal): Promise<void> {
    return this.#unwatchNode(this.#parts.layout.mapping(serviceInterface), signal);
  }

  async readMapping(serviceInterface: string, signal: AbortSignal): Promise<SessionMapping> {
    return this.#mapping(await this.#readNode(this.#parts.layout.mapping(serviceInterface), signal));
  }

  async writeMapping(
    serviceInterface: string,
    value: string,
    read: SessionMapping,
    signal: AbortSignal,
  ): Promise<boolean> {
    const path = this.#parts.layout.mapping(serviceInterface);
    const data = Buffer.from(value);
    try {
      if (read.value === undefined) await this.session.create(path, data, { signal });
      else await this.session.setData(path, data, (read as VersionedMapping).version, signal);
      return true;
    } catch (error) {
      if (isCode(error, "NODE_EXISTS") || isCode(error, "BAD_VERSION") || isCode(error, "NO_NODE")) return false;
      throw error;
    }
  }

  /**
   * dubbo-java's first, then dubbo-go's: Java alone cannot ask the instance instead. What is wrong with one place (no right to read it,
   * garbage) matters when the other one does not give the metadata either. Of what we have
   * written, garbage is put right, and a writing that broke off between the two places is made up for.
   */
  async readMetadata(application: string, revision: string, signal: AbortSignal): Promise<string | undefined> {
    const paths = this.#parts.layout.metadata(application, revision);
    const reads = await Promise.allSettled(paths.map((path) => this.session.getData(path, signal)));
    const texts = reads.map((read) => (read.status === "fulfilled" ? read.value?.data.toString("utf8") : undefined));
    const good = texts.find((text) => parseMetadataInfo(text).ok);
    if (good === undefined) {
      const failed = reads.find((read) => read.status === "rejected");
      if (failed !== undefined) throw toError(failed.reason);
      return texts.find((text) => text !== undefined && text !== "");
    }
    const written = this.#written.get(paths[0]);
    if (written === undefined) return good;
    for (const [at, path] of paths.entries()) {
      const text = texts[at] ?? "";
      const wrong = text === "" ? !written : !parseMetadataInfo(text).ok;
      if (wrong && reads[at]?.status === "fulfilled")
        await this.#continued.run(paths[0], `mend ${path}`, signal, () => this.#mend(path, good));
    }
    if (this.#written.has(paths[0]) && reads.every(({ status }) => status === "fulfilled"))
      this.#written.set(paths[0], true);
    return good;
  }

  /** dubbo-go's first: whoever reads dubbo-java's and finds it right may take the other for granted. */
  writeMetadata(application: string, revision: string, value: string, signal: AbortSignal): Promise<void> {
    const { layout } = this.#parts;
    const [java, go] = layout.metadata(application, revision);
    const data = Buffer.from(value);
    this.#written.set(java, false);
    return this.#continued.run(java, value, signal, async () => {
      for (const path of [go, java]) await this.#write(path, data);
      this.#written.set(java, true);
    });
  }

  async listMetadata(application: string, signal: AbortSignal): Promise<readonly string[]> {
    const revisions = new Set<string>();
    const directories = this.#parts.layout.revisions(application);
    const lists = await Promise.all(directories.map((directory) => this.session.children(directory, signal)));
    for (const name of lists.flatMap((names) => names ?? [])) if (!NO_REVISIONS.has(name)) revisions.add(name);
    return [...revisions];
  }

  async removeMetadata(application: string, revision: string, signal: AbortSignal): Promise<void> {
    const { layout } = this.#parts;
    const paths = layout.metadata(application, revision);
    await this.#continued.run(paths[0], "remove", signal, async () => {
      this.#written.delete(paths[0]);
      await Promise.all(paths.map((path) => this.session.delete(path, -1)));
    });
  }

  async listApplications(signal: AbortSignal): Promise<readonly string[]> {
    const { layout } = this.#parts;
    const names = (await this.session.children(layout.applications, signal)) ?? [];
    return names.filter((name) => layout.isApplication(name));
  }

  async listInterfaces(signal: AbortSignal): Promise<readonly string[]> {
    return (await this.session.children(this.#parts.layout.mappings, signal)) ?? [];
  }

  close(): Promise<void> {
    return this.session.close();
  }

  #directory(
    application: string,
    recursive: boolean,
    push: (values: readonly (Instance | MalformedInstance)[]) => void,
  ): Directory<Instance | MalformedInstance> {
    const options: DirectoryOptions<Instance | MalformedInstance> = {
      recursive,
      data: true,
      decode: (name, data) => decodeInstance(application, name, data),
      unreadable: (name, error) => ({ id: name, reason: error.message }),
    };
    const { runtime, session, layout } = this.#parts;
    return new Directory(runtime, session, layout.application(application), options, push);
  }

  #list(values: readonly (Instance | MalformedInstance)[]): SessionInstances {
    const instances: Instance[] = [];
    const malformed: MalformedInstance[] = [];
    for (const value of values) {
      if (isMalformed(value)) {
        if (this.#parts.layout.isInstance(value.id)) malformed.push(value);
      } else instances.push(value);
    }
    return { seq: this.#parts.nextSeq(), instances, malformed };
  }

  async #watchNode(path: string, push: (node: NodeData | undefined) => void, signal: AbortSignal): Promise<void> {
    const watch = this.#nodes.get(path) ?? new NodeWatch(this.session, path);
    this.#nodes.set(path, watch);
    watch.begin(push);
    await watch.arm(signal);
  }

  async #unwatchNode(path: string, signal: AbortSignal): Promise<void> {
    const watch = this.#nodes.get(path);
    if (watch === undefined) return;
    await watch.dispose(signal);
    this.#nodes.delete(path);
  }

  /** Where it is watched, this sets the watch again: the one that fired may have lost its answer with a connection (D-60). */
  #readNode(path: string, signal: AbortSignal): Promise<NodeData | undefined> {
    return this.#nodes.get(path)?.arm(signal) ?? this.session.getData(path, signal);
  }

  #mapping(node: NodeData | undefined): VersionedMapping {
    const value = node?.data.toString("utf8");
    return { seq: this.#parts.nextSeq(), value, version: node?.stat.version ?? -1 };
  }

  #configuration(node: NodeData | undefined): SessionConfiguration {
    return { seq: this.#parts.nextSeq(), value: node?.data.toString("utf8") };
  }

  /** Unless it has been put right meanwhile. */
  async #mend(path: string, good: string): Promise<void> {
    const node = await this.session.getData(path);
    if (!parseMetadataInfo(node?.data.toString("utf8")).ok) await this.#write(path, Buffer.from(good));
  }

  async #write(path: string, data: Buffer): Promise<void> {
    for (;;) {
      try {
        await this.session.create(path, data);
        return;
      } catch (error) {
        if (!isCode(error, "NODE_EXISTS")) throw error;
      }
      try {
        await this.session.setData(path, data, -1);
        return;
      } catch (error) {
        if (!isCode(error, "NO_NODE")) throw error; // removed between the two
      }
    }
  }
}

function ownerOfNode(data: Buffer): string {
  const instance = decodeInstance("", "", data);
  return isMalformed(instance) ? "" : ownerOf(instance);
}
