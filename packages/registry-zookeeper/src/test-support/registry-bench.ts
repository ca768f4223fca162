import { createInstance, type Instance, type InstancesEvent, instanceKey } from "@dubhe/discovery";
import { parseZookeeperUrl } from "../config.js";
import { encodeInstance } from "../instance-codec.js";
import { type ZookeeperRegistry, zookeeperRegistry } from "../zookeeper.js";
import { FakeZookeeper } from "./fake-zookeeper.js";
import type { TestTime } from "./session-bench.js";

export interface Seen {
  readonly events: InstancesEvent[];
  /** Addresses of the newest list, sorted. */
  readonly addresses: () => readonly string[] | undefined;
}

/** Registries on one fake server, in virtual time. */
export class RegistryBench {
  readonly clock: TestTime["clock"];
  readonly server: FakeZookeeper;
  readonly reports: TestTime["reports"];
  readonly #runtime: TestTime["runtime"];
  readonly #opened: ZookeeperRegistry[] = [];

  constructor({ runtime, clock, reports }: TestTime, options: { readonly recursive?: boolean } = {}) {
    this.#runtime = runtime;
    this.clock = clock;
    this.reports = reports;
    this.server = new FakeZookeeper(runtime);
    this.server.recursive = options.recursive ?? true;
  }

  open(url = "zookeeper://a:1,b:2?session=6000"): ZookeeperRegistry {
    const registry = zookeeperRegistry(this.#runtime, parseZookeeperUrl(url), { transport: this.server });
    this.#opened.push(registry);
    return registry;
  }

  watch(registry: ZookeeperRegistry, application: string): Seen {
    const events: InstancesEvent[] = [];
    registry.watch(application, (event) => events.push(event));
    return {
      events,
      addresses: () => {
        const lists = events.filter((event) => event.kind === "instances");
        return lists.at(-1)?.instances.map(instanceKey).sort();
      },
    };
  }

  /** What another process would have put there. */
  put(instance: Instance, session = 77n): void {
    const path = `/services/${instance.application}/${instanceKey(instance)}`;
    this.server.tree.put(path, encodeInstance(instance, 1).toString(), session);
  }

  instance(port: number, metadata: Readonly<Record<string, string>> = {}, application = "shop"): Instance {
    return createInstance({ application, host: "10.0.0.1", port, metadata });
  }

  async close(): Promise<void> {
    this.server.thaw();
    const closed = Promise.all(this.#opened.map((registry) => registry.close()));
    await this.clock.advance(10_000);
    await closed;
  }
}
