import { Code, RpcError } from "@dubhe/rpc";

/**
 * Hessian's references let a small message name a large value many times, and each becomes a copy of its own here: without
 * a limit four megabytes could stand for any number of values.
 */
const maxParts = 1_000_000;

/** Of the conversion that runs: conversions are synchronous. */
let left = maxParts;

export function startConversion(): void {
  left = maxParts;
}

/** So many parts are converted now. Throws RESOURCE_EXHAUSTED. */
export function spend(parts: number): void {
  left -= parts;
  if (left >= 0) return;
  left = maxParts;
  throw new RpcError(`a value of more than ${maxParts} parts`, Code.ResourceExhausted, { source: "peer" });
}
