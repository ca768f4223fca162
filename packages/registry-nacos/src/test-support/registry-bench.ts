import assert from "node:assert/strict";
import { type Clock, createRandom, createRuntime, type Random, type Runtime } from "@dubhe/concurrency";
import type { Instance, InstancesEvent, MappingEvent } from "@dubhe/discovery";
import { createInstance } from "@dubhe/discovery";
import { type NacosConfigInit, nacosConfig } from "../config.js";
import type { EmbeddedHost } from "../embedded/host.js";
import type { JsonObject } from "../json.js";
import { nacosRegistry } from "../nacos.js";
import type { NacosRegistry } from "../nacos-registry.js";
import type { ServerAddress } from "../transport.js";
import { MemoryNetwork } from "./memory-network.js";

/** A virtual clock, as `VirtualClock` of the package testing, which the source of this package does not know. */
export interface BenchClock extends Clock {
  readonly pendingTimers: number;
  advance(ms: number): Promise<void>;
  settle(): Promise<void>;
}

/** A Nacos server and clients of it in memory and virtual time. */
export class RegistryBench {
  readonly clock: BenchClock;
  readonly random: Random = createRandom(1);
  readonly runtime: Runtime;
  readonly reports: unknown[] = [];
  readonly network: MemoryNetwork;
  readonly server: ServerAddress;
  readonly #opened: NacosRegistry[] = [];

  constructor(clock: BenchClock) {
    this.clock = clock;
    this.runtime = createRuntime({ clock, random: this.random, report: (error) => this.reports.push(error) });
    this.network = new MemoryNetwork(this.runtime);
    const [server] = nacosConfig({ servers: ["a"] }).servers;
    if (server === undefined) throw new RangeError("no server");
    this.server = server;
  }

  start(): EmbeddedHost {
    return this.network.start(this.server);
  }

  open(init: Partial<NacosConfigInit> = {}): NacosRegistry {
    const registry = nacosRegistry(this.runtime, nacosConfig({ servers: ["a"], ...init }), {
      transport: this.network,
      post: async () => ({ status: 200, body: '{"accessToken":"t","tokenTtl":18000}' }),
    });
    this.#opened.push(registry);
    return registry;
  }

  instance(port: number, more: Partial<Instance> = {}): Instance {
    return createInstance({ application: "shop", host: "10.0.0.1", port, ...more });
  }

  watch(
    registry: NacosRegistry,
    application = "shop",
  ): { readonly events: InstancesEvent[]; readonly handle: ReturnType<NacosRegistry["watch"]> } {
    const events: InstancesEvent[] = [];
    return { events, handle: registry.watch(application, (event) => void events.push(event)) };
  }

  watchMapping(registry: NacosRegistry, name = "com.Foo"): MappingEvent[] {
    const events: MappingEvent[] = [];
    registry.mapping.watch(name, (event) => void events.push(event));
    return events;
  }

  /** Ports that the server has for an application now. */
  ports(application = "shop"): number[] {
    const body = { namespace: "public", groupName: "DEFAULT_GROUP", serviceName: application };
    const answer = this.network.ask(this.server, "ServiceQueryRequest", body).body as JsonObject;
    return (answer.serviceInfo as { hosts: { port: number }[] }).hosts.map(({ port }) => port).sort((a, b) => a - b);
  }

  config(dataId = "com.Foo", group = "mapping"): string | undefined {
    return (this.network.ask(this.server, "ConfigQueryRequest", { tenant: "", group, dataId }).body as JsonObject)
      .content as string | undefined;
  }

  publish(content: string, dataId = "com.Foo", group = "mapping"): void {
    this.network.ask(this.server, "ConfigPublishRequest", { tenant: "", group, dataId, content, casMd5: "" });
  }

  async resolves<T>(given: PromiseLike<T>, withinMs = 10_000): Promise<T> {
    const promise = Promise.resolve(given);
    let done = false;
    const end = (): void => {
      done = true;
    };
    promise.then(end, end);
    for (let waited = 0; !done && waited <= withinMs; waited += 5) await this.clock.advance(5);
    assert.ok(done, `it did not settle within ${withinMs} ms`);
    return promise;
  }

  /** Closes everything, and checks that nothing is left. */
  async end(): Promise<void> {
    await this.resolves(Promise.all(this.#opened.map((registry) => registry.close())));
    this.network.kill(this.server);
    await this.clock.settle();
    assert.equal(this.clock.pendingTimers, 0, "timers are left");
    assert.deepEqual(this.reports, []);
  }
}

export function lastPorts(events: readonly InstancesEvent[]): number[] | undefined {
  const last = events.filter((event) => event.kind === "instances").at(-1);
  return last?.kind === "instances" ? last.instances.map(({ port }) => port).sort((a, b) => a - b) : undefined;
}
