import { availableParallelism } from "node:os";

/** Whose message is unpacked. */
export interface UnpackOwner {
  /** Equal for what comes from one peer: lanes take turns, so that one peer's burst does not hold up the others. */
  readonly lane: object;
  /** Nobody wants the message any more. */
  readonly over: boolean;
}

interface Job {
  readonly owner: UnpackOwner;
  start(done: () => void): void;
  drop(): void;
}

/** Half of libuv's four threads; fewer where that would leave no core for the event loop. */
export const unpackedAtOnce = (cores: number): number => Math.max(1, Math.min(2, cores - 1));

/**
 * Work for zlib's threads, two at a time at most, which leaves the others and most of the cores free. Without it a
 * thousand small bombs would all be growing at once: each within its limit, all together without one.
 */
export class UnpackQueue {
  readonly #limit: number;
  /** In the order of their turns; never an empty lane. */
  readonly #lanes = new Map<object, Job[]>();
  #running = 0;

  constructor(limit: number = unpackedAtOnce(availableParallelism())) {
    this.#limit = limit;
  }

  add(job: Job): void {
    const lane = this.#lanes.get(job.owner.lane);
    if (lane === undefined) this.#lanes.set(job.owner.lane, [job]);
    else lane.push(job);
    this.#pump();
  }

  #pump(): void {
    while (this.#running < this.#limit) {
      const job = this.#next();
      if (job === undefined) return;
      if (job.owner.over) {
        job.drop();
        continue;
      }
      this.#running++;
      job.start(() => {
        this.#running--;
        this.#pump();
      });
    }
  }

  #next(): Job | undefined {
    const [first] = this.#lanes;
    if (first === undefined) return undefined;
    const [key, lane] = first;
    const job = lane.shift();
    // To the end of the line.
    this.#lanes.delete(key);
    if (lane.length > 0) this.#lanes.set(key, lane);
    return job;
  }
}
