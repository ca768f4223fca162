import type { ProviderProcess } from "./fleet.js";
import type { Options } from "./options.js";

/** What happens to the providers, as fractions of the duration. The first to be killed hosts the embedded registry. */
const timeline = [
  { at: 0.12, what: "join" },
  { at: 0.25, what: "leave" },
  { at: 0.4, what: "kill" },
  { at: 0.52, what: "join" },
  { at: 0.64, what: "kill" },
  { at: 0.74, what: "join" },
  { at: 0.86, what: "leave" },
] as const;

/** In a long run the timeline is played again every so often. */
const longestRoundMs = 20_000;
/** In mode direct a provider is taken off the list this long before it leaves. */
const noticeMs = 500;

export class Churn {
  readonly #options: Options;
  readonly #providers: ProviderProcess[];
  readonly #startProvider: () => Promise<ProviderProcess>;
  readonly #publish: (addresses: readonly string[]) => void;
  readonly #note: (what: string) => void;
  readonly #timers = new Set<NodeJS.Timeout>();
  #running: Promise<void> = Promise.resolve();
  #stopped = false;
  #error: unknown;

  constructor(
    options: Options,
    providers: ProviderProcess[],
    startProvider: () => Promise<ProviderProcess>,
    publish: (addresses: readonly string[]) => void,
    note: (what: string) => void,
  ) {
    this.#options = options;
    this.#providers = providers;
    this.#startProvider = startProvider;
    this.#publish = publish;
    this.#note = note;
    if (!options.churn) return;
    const rounds = Math.max(1, Math.round(options.durationMs / longestRoundMs));
    const roundMs = options.durationMs / rounds;
    for (let round = 0; round < rounds; round++) {
      for (const { at, what } of timeline) this.#schedule(roundMs * (round + at), what);
    }
  }

  /** No further change; waits for the one under way. Rejects if a provider failed to start. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
    await this.#running;
    if (this.#error !== undefined) throw this.#error;
  }

  #schedule(atMs: number, what: "join" | "leave" | "kill"): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      // One change at a time, in order.
      this.#running = this.#running
        .then(() => this.#change(what))
        .catch((error: unknown) => {
          this.#error ??= error;
        });
    }, atMs);
    this.#timers.add(timer);
  }

  async #change(what: "join" | "leave" | "kill"): Promise<void> {
    if (this.#stopped) return;
    if (what === "join") {
      const joined = await this.#startProvider();
      this.#publish(this.#alive().map((p) => p.address));
      this.#note(`${joined.name} joined`);
      return;
    }
    const alive = this.#alive();
    // One that was told to misbehave stays, or nobody would notice.
    const candidates = alive.filter((p) => !p.misbehaves);
    // The oldest is killed, the one after it leaves.
    const chosen = candidates[what === "kill" ? 0 : Math.min(1, candidates.length - 1)];
    if (chosen === undefined || alive.length < 2) return;
    this.#publish(alive.filter((p) => p !== chosen).map((p) => p.address));
    if (what === "leave") {
      if (this.#options.mode === "direct") await new Promise((resolve) => setTimeout(resolve, noticeMs));
      this.#note(`${chosen.name} leaves`);
      await chosen.stop();
    } else {
      this.#note(`${chosen.name} is killed`);
      await chosen.kill();
    }
  }

  #alive(): ProviderProcess[] {
    return this.#providers.filter((p) => p.alive && p.address !== "");
  }
}
