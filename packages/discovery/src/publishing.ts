import type { Watched } from "@dubhe/concurrency";
import { type Instance, sameInstance } from "./instance.js";
import type { MetadataInfo } from "./metadata-info.js";
import type { RegistrationState, Registry } from "./registry.js";

/** What shall be known of an application in a registry. */
export interface Desired {
  readonly info: MetadataInfo;
  readonly instance: Instance;
  readonly interfaces: readonly string[];
  /** Publish the metadata in the registry too. */
  readonly remote: boolean;
}

/** A wish at the registry: an instance, a provider, a mapping entry, metadata. */
export interface Part extends AsyncDisposable {
  readonly state: Watched<RegistrationState>;
  readonly error?: Error | undefined;
}

/**
 * What is published of one application's port in one registry by one of the models. Each part is a desired state of the
 * registry, which retries and heals by itself, so here one only waits for confirmation, in the right order.
 */
export abstract class Publishing {
  readonly registry: Registry;
  readonly #changed: () => void;
  /** What is followed for changes of its state, until it is let go. */
  readonly #followed = new Map<Part, Disposable>();
  #wanted: Desired | undefined;
  /** The newest desire that went all the way. */
  #published: Desired | undefined;
  #waiting: AbortController | undefined;

  constructor(registry: Registry, changed: () => void) {
    this.registry = registry;
    this.#changed = changed;
  }

  /** The parts that there are now, each with what to call it in messages. */
  protected abstract parts(): readonly (readonly [what: string, part: Part])[];
  /** Makes the registry have it; rejects when `signal` fires. */
  protected abstract put(desired: Desired, signal: AbortSignal): Promise<void>;
  /** Takes everything back. */
  protected abstract takeBack(): Promise<void>;
  abstract inspect(): unknown;

  /** Notes what is wanted (undefined = nothing); false when that is what was wanted before. */
  wants(desired: Desired | undefined): boolean {
    const old = this.#wanted;
    if (old === desired) return false;
    if (
      old !== undefined &&
      desired !== undefined &&
      old.info.revision === desired.info.revision &&
      sameInstance(old.instance, desired.instance)
    )
      return false;
    this.#wanted = desired;
    return true;
  }

  /** One at a time. Rejects when interrupted, for a newer desire. */
  async publish(desired: Desired): Promise<void> {
    if (desired !== this.#wanted) return; // a newer one is about to run
    const waiting = new AbortController();
    this.#waiting = waiting;
    await this.put(desired, waiting.signal);
    this.#published = desired;
    this.#changed();
  }

  /** Stops waiting for the confirmation of what is no longer wanted. */
  interrupt(): void {
    this.#waiting?.abort(new DOMException("something newer is wanted", "AbortError"));
  }

  async withdraw(): Promise<void> {
    this.#published = undefined;
    await this.takeBack();
    this.#changed();
  }

  /** Tells nobody of changes any more. */
  close(): void {
    for (const subscription of this.#followed.values()) subscription[Symbol.dispose]();
    this.#followed.clear();
  }

  get state(): RegistrationState {
    const parts = this.parts().map(([, part]) => part.state.value);
    if (this.#wanted === undefined) return parts.length === 0 ? "confirmed" : "pending";
    if (parts.includes("failed")) return "failed";
    return this.#published === this.#wanted && parts.every((state) => state === "confirmed") ? "confirmed" : "pending";
  }

  problems(): readonly string[] {
    const result: string[] = [];
    for (const [what, part] of this.parts()) {
      if (part.state.value === "confirmed") continue;
      const why = part.error === undefined ? "not confirmed yet" : part.error.message;
      result.push(`${what} in ${this.registry.id}: ${why}`);
    }
    const health = this.registry.health.value;
    if (result.length > 0 && health.state !== "up") {
      result.push(
        `${this.registry.id} is ${health.state}${health.error === undefined ? "" : `: ${health.error.message}`}`,
      );
    }
    return result;
  }

  /** The revision that went all the way. */
  protected get publishedRevision(): string | null {
    return this.#published?.info.revision ?? null;
  }

  protected follow<P extends Part>(part: P): P {
    this.#followed.set(
      part,
      part.state.subscribe(() => this.#changed()),
    );
    return part;
  }

  protected async letGo(parts: readonly Part[]): Promise<void> {
    await Promise.all(
      parts.map((part) => {
        this.#followed.get(part)?.[Symbol.dispose]();
        this.#followed.delete(part);
        return part[Symbol.asyncDispose]();
      }),
    );
  }
}

export async function confirmed(part: Part | undefined, signal: AbortSignal): Promise<void> {
  await part?.state.until((state) => state === "confirmed", signal);
}
