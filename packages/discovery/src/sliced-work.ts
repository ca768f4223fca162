import { type Runtime, TurnBudget } from "@dubhe/concurrency";

export interface SlicedJob {
  /** Does a part, as long as `budget` gives; true when nothing is left. One that throws is reported and goes on in the next turn. */
  step(budget: TurnBudget): boolean;
  /** Called once, in the turn of the last step. */
  done(): void;
}

/**
 * Large pieces of work, one after the other in the order in which they came, a little in each turn of the event loop: a list
 * of thousands must not hold up calls. All share one budget, so that a turn is no longer for there being many of them.
 */
export class SlicedWork {
  readonly #runtime: Runtime;
  readonly #budget: TurnBudget;
  readonly #jobs = new Set<SlicedJob>();
  readonly #work = (): void => this.#go();
  #scheduled = false;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
    this.#budget = new TurnBudget(runtime);
  }

  /** Begins in the next turn at the soonest; not a second time while it is under way. */
  begin(job: SlicedJob): void {
    this.#jobs.add(job);
    this.#schedule();
  }

  /** Drops the rest of it: `done` is not called. */
  drop(job: SlicedJob): void {
    this.#jobs.delete(job);
  }

  #go(): void {
    this.#scheduled = false;
    try {
      for (const job of this.#jobs) {
        if (!job.step(this.#budget)) break;
        this.#jobs.delete(job);
        job.done();
      }
    } catch (error) {
      this.#runtime.report(error, "sliced work of discovery");
    }
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#jobs.size === 0) return;
    this.#scheduled = true;
    this.#runtime.clock.nextTurn(this.#work);
  }
}
