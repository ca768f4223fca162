import { type Runtime, TimerWheel } from "@dubhe/concurrency";
import { AbandonedHandles } from "./abandoned-handles.js";
import { AbortListeners } from "./abort-listeners.js";

/** What the calls and servers of one App share. */
export interface RpcEnvironment {
  readonly runtime: Runtime;
  /** Deadlines of calls and handlers: one timer for all. */
  readonly wheel: TimerWheel;
  readonly aborts: AbortListeners;
  /** Streams whose handles may be dropped by their users. */
  readonly abandoned: AbandonedHandles;
}

export function createRpcEnvironment(runtime: Runtime): RpcEnvironment {
  const wheel = new TimerWheel(runtime.clock);
  return { runtime, wheel, aborts: new AbortListeners(), abandoned: new AbandonedHandles(runtime.clock, wheel) };
}
