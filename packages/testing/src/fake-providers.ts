import type { Clock } from "@dubhe/concurrency";
import {
  createInstance,
  createMetadataInfo,
  type Instance,
  type InstanceInit,
  instanceKey,
  type MetadataFetcher,
  type MetadataInfo,
  MetadataKey,
  type ServiceInfoInit,
} from "@dubhe/discovery";

/** How an instance treats those who ask for its metadata. */
export type ProviderBehaviour = "answers" | "refuses" | "hangs" | "answers another revision" | "answers garbage";

/** Providers that exist only as metadata services: who asks whom for what is counted. */
export class FakeProviders {
  /** `host:port revision`, in order of asking. */
  readonly asked: string[] = [];
  /** Asked and not answered yet. */
  pending = 0;
  /** Most asked at the same time. */
  mostPending = 0;
  /** How long an answer takes. Default 0. */
  answerMs: () => number = () => 0;
  readonly #clock: Clock;
  readonly #infos = new Map<string, MetadataInfo>();
  readonly #behaviours = new Map<string, ProviderBehaviour>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** An instance that offers these services; its revision is theirs, and every provider can answer for it from now on. */
  instance(
    init: Pick<InstanceInit, "port"> & Partial<InstanceInit>,
    services: readonly (string | ServiceInfoInit)[],
  ): Instance {
    const application = init.application ?? "shop";
    const info = createMetadataInfo({
      app: application,
      services: services.map((s) => (typeof s === "string" ? { name: s } : s)),
    });
    this.#infos.set(info.revision, info);
    return createInstance({
      ...init,
      application,
      host: init.host ?? "10.0.0.1",
      metadata: { [MetadataKey.revision]: info.revision, ...init.metadata },
    });
  }

  /** What the providers of this revision offer. */
  info(revision: string): MetadataInfo | undefined {
    return this.#infos.get(revision);
  }

  behave(instance: Instance, behaviour: ProviderBehaviour): void {
    this.#behaviours.set(instanceKey(instance), behaviour);
  }

  /** How often the instance was asked. */
  askedOf(instance: Instance): number {
    return this.asked.filter((line) => line.startsWith(`${instanceKey(instance)} `)).length;
  }

  readonly fetch: MetadataFetcher = async (instance, revision, signal) => {
    const key = instanceKey(instance);
    this.asked.push(`${key} ${revision}`);
    this.pending++;
    this.mostPending = Math.max(this.mostPending, this.pending);
    try {
      await this.#wait(this.#behaviours.get(key) === "hangs" ? Infinity : this.answerMs(), signal);
      return this.#answer(key, revision);
    } finally {
      this.pending--;
    }
  };

  #answer(key: string, revision: string): MetadataInfo {
    const info = this.#infos.get(revision);
    switch (this.#behaviours.get(key) ?? "answers") {
      case "refuses":
        throw new Error(`connect ECONNREFUSED ${key}`);
      case "answers another revision":
        return { app: "other", revision: "ffff", services: [] };
      case "answers garbage":
        return "no metadata at all" as unknown as MetadataInfo;
      default:
        if (info === undefined) throw new Error(`${key} does not know revision ${revision}`);
        return info;
    }
  }

  #wait(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = this.#clock.setTimeout(() => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      }, ms);
      const onAbort = (): void => {
        timer.cancel();
        reject(signal.reason);
      };
      signal.addEventListener("abort", onAbort);
      if (signal.aborted) onAbort();
    });
  }
}
