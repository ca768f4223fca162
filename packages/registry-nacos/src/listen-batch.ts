import type { Clock } from "@dubhe/concurrency";
import { type ConfigName, configKey } from "./config-service.js";

type Context = ConfigName & { readonly md5: string };

interface Waiting {
  readonly context: Context;
  resolve(changed: boolean): void;
  reject(error: unknown): void;
}

/** Keys in one request, so that it stays small. */
const MAX_BATCH = 500;

/** Collects the listens of one turn into few requests: after a reconnect there may be thousands. */
export class ListenBatch {
  readonly #clock: Clock;
  readonly #send: (contexts: readonly Context[], listen: boolean) => Promise<ReadonlySet<string>>;
  readonly #waiting: { readonly listen: Waiting[]; readonly unlisten: Waiting[] } = { listen: [], unlisten: [] };
  #scheduled = false;

  constructor(clock: Clock, send: (contexts: readonly Context[], listen: boolean) => Promise<ReadonlySet<string>>) {
    this.#clock = clock;
    this.#send = send;
  }

  /** Resolves to whether the server has something else than `md5`. */
  listen(context: Context): Promise<boolean> {
    return this.#add("listen", context);
  }

  async unlisten(name: ConfigName): Promise<void> {
    await this.#add("unlisten", { ...name, md5: "" });
  }

  #add(kind: "listen" | "unlisten", context: Context): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.#waiting[kind].push({ context, resolve, reject });
      if (this.#scheduled) return;
      this.#scheduled = true;
      this.#clock.nextTurn(() => this.#flush());
    });
  }

  #flush(): void {
    this.#scheduled = false;
    for (const kind of ["unlisten", "listen"] as const) {
      const all = this.#waiting[kind].splice(0);
      for (let start = 0; start < all.length; start += MAX_BATCH)
        void this.#request(all.slice(start, start + MAX_BATCH), kind === "listen");
    }
  }

  /** Never rejects. */
  async #request(batch: readonly Waiting[], listen: boolean): Promise<void> {
    const contexts = batch.map(({ context }) => context);
    const answer = await this.#send(contexts, listen).then(
      (changed) => ({ changed }),
      (error: unknown) => ({ error }),
    );
    for (const { context, resolve, reject } of batch) {
      if ("error" in answer) reject(answer.error);
      else resolve(answer.changed.has(configKey(context)));
    }
  }
}
