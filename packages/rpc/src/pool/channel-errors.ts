import { Code } from "../code.js";
import { RpcError } from "../rpc-error.js";
import type { Endpoint } from "./endpoint.js";
import type { WaitBudget } from "./wait-queue.js";

/** `2 s`, `150 ms`. */
export function inWords(ms: number): string {
  return ms >= 1000 ? `${Math.round(ms / 100) / 10} s` : `${Math.max(0, Math.ceil(ms))} ms`;
}

/** Why an endpoint has no connection: `connect ECONNREFUSED 10.0.0.3:20880, retry in 2 s`. */
export function describeFailure(endpoint: Endpoint, now: number): string {
  const cause = endpoint.lastError?.message ?? "not connected";
  const retryAt = endpoint.retryAt;
  return retryAt === undefined ? cause : `${cause}, retry in ${inWords(retryAt - now)}`;
}

export function connectFailed(endpoint: Endpoint, now: number): RpcError {
  return new RpcError(`cannot connect to ${endpoint.address}: ${describeFailure(endpoint, now)}`, Code.Unavailable, {
    source: "transport",
    processed: "no",
    ...(endpoint.lastError === undefined ? {} : { cause: endpoint.lastError }),
  });
}

export function channelClosed(what: string): RpcError {
  return new RpcError(`${what} is closed`, Code.Unavailable, { source: "local", processed: "no" });
}

export function tooManyWaiting(what: string, budget: WaitBudget): RpcError {
  const held = `${budget.calls} calls (${budget.bytes} bytes) wait for a connection already, of ${budget.maxCalls} calls and ${budget.maxBytes} bytes at most`;
  return new RpcError(`no place to wait for ${what}: ${held}`, Code.ResourceExhausted, {
    source: "local",
    processed: "no",
  });
}
