// The programs of a trial take commands as JSON lines on stdin and answer on stdout; they end when stdin does.
import { createInterface } from "node:readline";

/** @param handlers by name: (args) => result, or a promise of one */
export function obey(handlers) {
  createInterface({ input: process.stdin })
    .on("line", (line) => {
      const { id, command, args } = JSON.parse(line);
      const reply = (body) => process.stdout.write(`${JSON.stringify({ id, ...body })}\n`);
      Promise.resolve()
        .then(() => handlers[command](args))
        .then(
          (result) => reply({ result: result ?? null }),
          (error) => reply({ error: String(error?.stack ?? error) }),
        );
    })
    .on("close", () => process.exit(0));
}

/** Memory of this process, sampled every 20 ms: what it is now, and the peaks since the last `reset`. Bytes. */
export class MemoryProbe {
  #rss = 0;
  #heap = 0;

  constructor() {
    setInterval(() => this.#look(), 20);
  }

  #look() {
    const now = process.memoryUsage();
    // What JavaScript holds: objects and the memory of its buffers.
    const heap = now.heapUsed + now.external;
    this.#rss = Math.max(this.#rss, now.rss);
    this.#heap = Math.max(this.#heap, heap);
    return { rss: now.rss, heap };
  }

  reset() {
    this.#rss = this.#heap = 0;
  }

  async read({ collect = false } = {}) {
    if (collect) {
      globalThis.gc();
      // Buffers are given back by finalizers, which run later.
      await new Promise((resolve) => setTimeout(resolve, 30));
      globalThis.gc();
    }
    const now = this.#look();
    const { user, system } = process.cpuUsage();
    return { ...now, peakRss: this.#rss, peakHeap: this.#heap, cpuMs: (user + system) / 1000 };
  }
}
