import {
  type DiscoveryOptions,
  instanceKey,
  ServiceDiscoveryRegistry,
  type ServiceRefInit,
  type ServiceView,
} from "@dubhe/discovery";
import { FakeProviders } from "./fake-providers.js";
import { ScriptedRegistry } from "./scripted-registry.js";
import { type TestRuntime, testRuntime } from "./test-runtime.js";
import type { VirtualClock } from "./virtual-clock.js";

export interface DiscoveryBenchOptions {
  readonly seed?: number;
  /** Ids of the scripted registries. Default one, `r1`. */
  readonly registries?: readonly string[];
  readonly refreshable?: boolean;
  readonly options?: DiscoveryOptions;
}

/** Discovery in virtual time over registries that say what the test tells them, and providers that exist on paper. */
export class DiscoveryBench {
  readonly world: TestRuntime;
  readonly clock: VirtualClock;
  readonly providers: FakeProviders;
  readonly registries: readonly ScriptedRegistry[];
  readonly discovery: ServiceDiscoveryRegistry;

  constructor(options: DiscoveryBenchOptions = {}) {
    this.world = testRuntime({ seed: options.seed ?? 1 });
    this.clock = this.world.clock;
    this.providers = new FakeProviders(this.clock);
    const refreshable = options.refreshable ?? false;
    this.registries = (options.registries ?? ["r1"]).map(
      (id) => new ScriptedRegistry(this.world.runtime, { id, refreshable }),
    );
    this.discovery = new ServiceDiscoveryRegistry(this.world.runtime, {
      registries: this.registries,
      fetchMetadata: this.providers.fetch,
      ...(options.options === undefined ? undefined : { options: options.options }),
    });
  }

  /** The first registry. */
  get registry(): ScriptedRegistry {
    return this.registries[0] as ScriptedRegistry;
  }

  /** Subscribes for good. */
  view(ref: string | ServiceRefInit): ServiceView {
    return this.discovery.subscribe(typeof ref === "string" ? { service: ref } : ref).view;
  }

  /** Closes everything and lets it finish. */
  async close(): Promise<void> {
    const closed = this.discovery.close();
    await this.clock.advance(10_000);
    await closed;
  }
}

/** `host:port` of the instances that a view offers, sorted. */
export function addressesOf(view: ServiceView): readonly string[] {
  return view.table
    .values()
    .map((endpoint) => instanceKey(endpoint.instance))
    .sort();
}
