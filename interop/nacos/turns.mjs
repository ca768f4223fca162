// How long the event loop was held up: the longest time between two turns, by asking for one after the other.
import { PerformanceObserver } from "node:perf_hooks";

function cpuMs() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Keeps a core busy until `end`: nothing else is to run in the process. */
export class Turns {
  /** ms since `reset`. */
  longest = 0;
  /** The same in CPU time of the process, its collector's threads included: what it would be on an idle core at most. */
  cpu = 0;
  /** Longest collection, ms. */
  gc = 0;
  #lastCpu = cpuMs();
  #last = performance.now();
  #running = true;
  #observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) this.gc = Math.max(this.gc, duration);
  });

  constructor() {
    const turn = () => {
      const now = performance.now();
      const cpu = cpuMs();
      this.cpu = Math.max(this.cpu, cpu - this.#lastCpu);
      this.#lastCpu = cpu;
      this.longest = Math.max(this.longest, now - this.#last);
      this.#last = now;
      if (this.#running) setImmediate(turn);
    };
    setImmediate(turn);
    this.#observer.observe({ entryTypes: ["gc"] });
  }

  reset() {
    this.longest = 0;
    this.cpu = 0;
    this.gc = 0;
  }

  end() {
    this.#running = false;
    this.#observer.disconnect();
  }
}
