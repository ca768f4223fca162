import type { Clock } from "@dubhe/concurrency";
import type { ConfiguredRegistry } from "dubhe/tools";
import { addressOf } from "./probe/probe-result.js";
import { tcpProbe } from "./probe/tcp-probe.js";

/** No server of a registry can be connected to; the message says what to do. */
export class RegistryRefused extends Error {
  override readonly name = "RegistryRefused";
}

/** A server that takes so long to connect to may do so yet. */
const probeMs = 1_000;

/**
 * Why a registry cannot be connected to, in words: every one of its servers refuses, or has no name or no way to it. Undefined
 * when one accepts or is silent, and of a registry that has no servers. Rejects only when `signal` fires.
 */
export async function refusalOf(
  clock: Clock,
  { scheme, servers }: Pick<ConfiguredRegistry, "scheme" | "servers">,
  signal: AbortSignal,
): Promise<RegistryRefused | undefined> {
  const results = await Promise.all(servers.map((server) => tcpProbe(clock, server, probeMs, signal)));
  const texts = results.flatMap((result) => (result.ok || result.problem === "silent" ? [] : [result.text]));
  const [server] = servers;
  if (server === undefined || texts.length < servers.length) return undefined;
  if (scheme === "embedded") {
    return new RegistryRefused(
      `nobody serves the embedded registry: ${addressOf(server)} is not open, so no Dubhe process of this machine runs with it. Start one, or name another registry: --registry URL`,
    );
  }
  const which = scheme === "nacos" ? " (of Nacos it is the gRPC port, by default the URL's + 1000)" : "";
  return new RegistryRefused(`${texts.join("; ")}${which}. Start the registry, or correct its URL`);
}
