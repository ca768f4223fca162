import assert from "node:assert/strict";
import type { Runtime } from "@dubhe/concurrency";
import { createInstance, type Instance, type InstancesEvent } from "@dubhe/discovery";
import { type EtcdConfigInit, etcdConfig } from "../config.js";
import { type EtcdRegistry, etcdRegistry } from "../etcd-registry.js";
import { FakeEtcd, FakeRoute } from "./fake-etcd.js";

/** As `testRuntime` of @dubhe/testing makes it, which only tests may import. */
export interface VirtualRuntime {
  readonly runtime: Runtime;
  readonly clock: { readonly pendingTimers: number; advance(ms: number): Promise<void>; stall(ms: number): void };
  readonly reports: readonly unknown[];
}

/** A fake cluster with clients, in virtual time. */
export class EtcdBench {
  readonly test: VirtualRuntime;
  readonly etcd: FakeEtcd;
  readonly routes = new Map<EtcdRegistry, FakeRoute>();

  constructor(test: VirtualRuntime) {
    this.test = test;
    this.etcd = new FakeEtcd(this.test.runtime);
  }

  open(init: Partial<EtcdConfigInit> = {}): EtcdRegistry {
    const route = new FakeRoute(this.etcd);
    const config = etcdConfig({ endpoints: ["a:2379"], ...init });
    const registry = etcdRegistry(this.test.runtime, config, { transport: route });
    this.routes.set(registry, route);
    return registry;
  }

  route(registry: EtcdRegistry): FakeRoute {
    const route = this.routes.get(registry);
    assert.ok(route !== undefined);
    return route;
  }

  advance(ms: number): Promise<void> {
    return this.test.clock.advance(ms);
  }

  async until(predicate: () => boolean, what: string, limitMs = 60_000): Promise<number> {
    for (let waited = 0; ; waited += 20) {
      if (predicate()) return waited;
      if (waited > limitMs) assert.fail(`waited ${limitMs} ms for ${what}`);
      await this.advance(20);
    }
  }

  /** Nothing may be left afterwards: no timer, no connection, no report. */
  async close(): Promise<void> {
    const closed = Promise.all([...this.routes.keys()].map((registry) => registry.close()));
    await this.advance(10_000);
    await closed;
    assert.equal(this.etcd.links.size, 0, "connections");
    this.etcd.close();
    await this.advance(5_000);
    assert.equal(this.test.clock.pendingTimers, 0, "timers");
    assert.deepEqual(this.test.reports, []);
  }
}

/** `testRuntime` makes the time of the test. */
export function benchTest(
  testRuntime: () => VirtualRuntime,
  fn: (bench: EtcdBench) => Promise<void>,
): () => Promise<void> {
  return async () => {
    const bench = new EtcdBench(testRuntime());
    await fn(bench);
    await bench.close();
  };
}

export function instance(port: number, metadata: Record<string, string> = {}): Instance {
  return createInstance({ application: "shop", host: "10.0.0.1", port, metadata });
}

/** The ports of the newest list; errors are counted. */
export function watchPorts(
  registry: EtcdRegistry,
  application = "shop",
): { ports: number[]; lists: number[][]; errors: Error[] } {
  const seen = { ports: [] as number[], lists: [] as number[][], errors: [] as Error[] };
  registry.watch(application, (event: InstancesEvent) => {
    if (event.kind === "error") {
      seen.errors.push(event.error);
      return;
    }
    seen.ports = event.instances.map(({ port }) => port).sort((a, b) => a - b);
    seen.lists.push(seen.ports);
  });
  return seen;
}
