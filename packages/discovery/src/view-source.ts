import type { TurnBudget } from "@dubhe/concurrency";
import type { Knowledge } from "./name-merge.js";
import type { Excluded } from "./name-state.js";

/** One of the sources that a view combines: in one registry the mapping, an application, or the providers of the interface. */
export interface ViewSource {
  /** Undefined: it has nothing to say about providers (a mapping whose applications speak for themselves). */
  knowledge(): Knowledge | undefined;
  /** `yes`: it has an answer of its watch of now. `failed`: only errors, and for so long that they are the answer. */
  readonly answered: "yes" | "no" | "failed";
  /** How many of its endpoints are not up to date. Until there are none, nothing of it may be shown. */
  readonly backlog: number;
  /** Brings them up to date, as far as `budget` allows; without one, all. True when none is left. */
  catchUp(budget?: TurnBudget): boolean;
  excluded(): readonly Excluded[];
  /** Starts, or starts again, to use the shared watch. Idempotent. */
  attach(): void;
  /** Gives up the shared watch and keeps what is known. Idempotent. */
  detach(): void;
  inspect(): unknown;
}

/** What a source needs of its view. */
export interface SourceOwner {
  /** Something that `knowledge` or the table shows has changed. */
  changed(): void;
}

/** Knowledge of a view that is not subscribed: what it had, as stale. */
export const UNSUBSCRIBED: Error = new Error("unsubscribed, since nobody used it; subscribing again");
