import type { NameState, ServiceRef } from "@dubhe/discovery";
import { Code, RpcError } from "@dubhe/rpc";
import type { Directory } from "./directory.js";

/** So many reasons are spelled out; the rest is counted. */
const MAX_REASONS = 5;
/** Addresses named per reason. */
const MAX_ADDRESSES = 3;

/** The final answer when nobody can take a call: UNAVAILABLE, provably unprocessed, with every reason that is known. */
export function noEndpoint(ref: ServiceRef, directory: Directory, now: number, waitedMs?: number): RpcError {
  const state = directory.state;
  const waited = waitedMs === undefined ? "" : ` (waited ${Math.round(waitedMs)} ms)`;
  const cause = state?.state === "failed" ? state.error : undefined;
  return new RpcError(`no endpoint for ${nameOf(ref)}: ${explain(state, directory, now)}${waited}`, Code.Unavailable, {
    source: state?.state === "bound" && directory.size > 0 ? "transport" : "registry",
    processed: "no",
    ...(cause === undefined ? {} : { cause }),
  });
}

/** `greet.GreetService`, with group and version when they are asked for. */
export function nameOf(ref: ServiceRef): string {
  const group = ref.group === "" ? "" : `${ref.group}/`;
  const version = ref.version === "" ? "" : `:${ref.version}`;
  return `${group}${ref.service}${version}`;
}

function explain(state: NameState | undefined, directory: Directory, now: number): string {
  switch (state?.state) {
    case undefined:
    case "pending":
      return "the registry has not answered yet";
    case "negative":
      return state.reason;
    case "failed":
      return state.error.message;
    case "closed":
      return "discovery is closed";
    case "bound":
      return explainBound(state, directory, now);
  }
}

function explainBound(state: Extract<NameState, { state: "bound" }>, directory: Directory, now: number): string {
  const applications = new Set<string>();
  const reasons = new Map<string, string[]>();
  const exclude = (reason: string, address: string): void => {
    const addresses = reasons.get(reason);
    if (addresses === undefined) reasons.set(reason, [address]);
    else addresses.push(address);
  };
  for (const excluded of state.excluded) {
    applications.add(excluded.application);
    exclude(excluded.message, excluded.key.slice(excluded.key.lastIndexOf("|") + 1));
  }
  for (const entry of directory.entries()) {
    for (const { instance } of entry.instances.values()) {
      applications.add(instance.application);
      if (entry.eligibility !== "ready") exclude(entry.describe(now), entry.address);
    }
  }
  const instances = directory.instances + state.excluded.length;
  let excluded = 0;
  for (const addresses of reasons.values()) excluded += addresses.length;
  const parts = [
    `mapping names [${[...applications].sort().join(", ")}]`,
    `${instances} ${instances === 1 ? "instance" : "instances"}`,
  ];
  if (excluded > 0) parts.push(`${excluded} excluded: ${listReasons(reasons)}`);
  if (!state.complete) parts.push("not every registry and application has answered");
  if (state.freshness !== "fresh") parts.push(`stale: ${state.freshness.stale.message}`);
  return parts.join(", ");
}

function listReasons(reasons: ReadonlyMap<string, readonly string[]>): string {
  const listed: string[] = [];
  for (const [reason, addresses] of reasons) {
    if (listed.length === MAX_REASONS) {
      listed.push(`and ${reasons.size - MAX_REASONS} more reasons`);
      break;
    }
    listed.push(
      addresses.every((address) => reason.includes(address)) ? reason : `${reason} (${listAddresses(addresses)})`,
    );
  }
  return listed.join("; ");
}

function listAddresses(addresses: readonly string[]): string {
  const named = addresses.slice(0, MAX_ADDRESSES).join(", ");
  return addresses.length <= MAX_ADDRESSES ? named : `${named} and ${addresses.length - MAX_ADDRESSES} more`;
}
