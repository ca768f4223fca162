import { asNumber, asString, isObject, type JsonObject } from "../json.js";

/**
 * How Dubhe processes and embedded registries know each other: a field `dubhe` in ServerCheck, both ways, which Nacos
 * clients and servers ignore. A client sends nothing else before it has seen the host's: a port-forwarded production
 * Nacos must never receive a laptop's instances. A host uses the client's to let it in while others still wait.
 */
export interface Marker {
  /** Of the messages in `mirror-messages.ts`. Peers with another number do not talk to each other. */
  readonly protocol: number;
  readonly pid: number;
}

export const MARKER_PROTOCOL = 1;

/** Label of ConnectionSetup that carries a Dubhe client's process id. */
export const PID_LABEL = "dubhe.pid";

export function markerOf(pid: number): { readonly dubhe: Marker } {
  return { dubhe: { protocol: MARKER_PROTOCOL, pid } };
}

/** Undefined when the peer is no Dubhe. */
export function readMarker(body: JsonObject): Marker | undefined {
  if (!isObject(body.dubhe)) return undefined;
  return { protocol: asNumber(body.dubhe.protocol, 0), pid: asNumber(body.dubhe.pid, 0) };
}

export function readPidLabel(labels: JsonObject): number {
  return asNumber(asString(labels[PID_LABEL]), 0);
}
