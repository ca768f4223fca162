import { type Runtime, TurnBudget } from "@dubhe/concurrency";

interface Job {
  readonly steps: Generator<void, void>;
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * Does the work of several lists one after the other, in the order in which they came, a little in each turn: ten thousand instances
 * must not hold up calls. A short list is done at once, within `run`.
 */
export class ListQueue {
  readonly #runtime: Runtime;
  readonly #budget: TurnBudget;
  readonly #jobs: Job[] = [];
  readonly #work = (): void => this.#go();
  #working = false;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
    this.#budget = new TurnBudget(runtime);
  }

  get length(): number {
    return this.#jobs.length;
  }

  /** Resolves when the steps are done; rejects with what they throw. */
  run(steps: Generator<void, void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#jobs.push({ steps, resolve, reject });
      if (!this.#working) this.#go();
    });
  }

  #go(): void {
    this.#working = true;
    for (let job = this.#jobs[0]; job !== undefined; job = this.#jobs[0]) {
      if (!this.#budget.take()) {
        this.#runtime.clock.nextTurn(this.#work);
        return;
      }
      if (step(job)) this.#jobs.shift();
    }
    this.#working = false;
  }
}

/** True when the job is done. */
function step(job: Job): boolean {
  try {
    if (job.steps.next().done !== true) return false;
    job.resolve();
  } catch (error) {
    job.reject(error);
  }
  return true;
}
