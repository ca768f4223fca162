import { type Runtime, TimerWheel } from "@dubhe/concurrency";
import { AbortListeners } from "./abort-listeners.js";

/** What the calls and servers of one App share. */
export interface RpcEnvironment {
  readonly runtime: Runtime;
  /** Deadlines of calls and handlers: one timer for all. */
  readonly wheel: TimerWheel;
  readonly aborts: AbortListeners;
  /** Runs `fn` once `handle` was garbage collected, unless `token` was unregistered before. */
  readonly abandoned: FinalizationRegistry<() => void>;
}

export function createRpcEnvironment(runtime: Runtime): RpcEnvironment {
  return {
    runtime,
    wheel: new TimerWheel(runtime.clock),
    aborts: new AbortListeners(),
    abandoned: new FinalizationRegistry((cancel) => cancel()),
  };
}
