import type { ServiceRef } from "@dubhe/discovery";
import { ClientTlsSources, type ConfiguredRegistry, type TlsOptions } from "dubhe/tools";
import { formatMs } from "../first-event.js";
import { http2Probe } from "../probe/http2-probe.js";
import type { ProbeResult } from "../probe/probe-result.js";
import type { Session } from "../session.js";
import { ApplicationSearch } from "./application-search.js";
import { type Candidate, endpointsOfCandidates } from "./candidates.js";
import { type Explanation, Findings, type FoundEndpoint } from "./explanation.js";
import { searchInterface } from "./interface-search.js";

/** So many endpoints are connected to, and so many at a time. */
const maxProbes = 64;
const probesAtATime = 8;

/**
 * Goes the way of a consumer, step by step and registry by registry, and says what it finds. Rejects only when the command is
 * interrupted.
 */
export async function explain(session: Session, ref: ServiceRef, tls: TlsOptions | undefined): Promise<Explanation> {
  const findings = new Findings();
  const candidates: Candidate[] = [];
  const registries = session.registries.filter(({ use }) => use.subscribe);
  if (registries.length === 0) findings.wrong("registry", "every registry has subscribe=false: none would be asked");
  for (const registry of registries) candidates.push(...(await search(session, registry, ref, findings)));
  const found = endpointsOfCandidates(candidates);
  const endpoints = await probed(session, found, tls, findings);
  const callable = endpoints.some(({ excluded, probe }) => excluded === undefined && probe?.ok === true);
  return {
    service: ref,
    registries: session.registries.map(({ use }) => use.registry.id),
    steps: findings.steps,
    endpoints,
    callable,
    problem: callable ? null : findings.problem(),
  };
}

async function search(
  session: Session,
  registry: ConfiguredRegistry,
  ref: ServiceRef,
  findings: Findings,
): Promise<readonly Candidate[]> {
  const { id } = registry.use.registry;
  const { type } = registry.use;
  const began = session.runtime.clock.now();
  try {
    // Any answer will do: that nobody registered the command itself.
    await session.instances(registry, "dubhe-cli");
    findings.ok("registry", `${id} answers (${formatMs(session.runtime.clock.now() - began)})`);
  } catch (error) {
    session.signal.throwIfAborted();
    findings.wrong("registry", `${id} cannot be used: ${(error as Error).message}`);
    return [];
  }
  const found: Candidate[] = [];
  try {
    if (type !== "interface") found.push(...(await new ApplicationSearch(session, registry, ref, findings).run()));
    if (type !== "service") found.push(...(await searchInterface(session, registry, ref, findings)));
  } catch (error) {
    session.signal.throwIfAborted();
    findings.wrong("registry", `${id} stopped answering: ${(error as Error).message}`);
  }
  return found;
}

async function probed(
  session: Session,
  found: readonly FoundEndpoint[],
  tls: TlsOptions | undefined,
  findings: Findings,
): Promise<readonly FoundEndpoint[]> {
  for (const { address, applications, registries, weight, excluded } of found) {
    const where = `${address} (${applications.join(", ")}; ${registries.join(" and ")}; weight ${weight})`;
    if (excluded === undefined) findings.ok("endpoints", where);
    else findings.wrong("endpoints", `${address} of ${applications.join(", ")} takes no calls: ${excluded}`);
  }
  const probes = new Map<string, ProbeResult>();
  const open = found.filter(({ excluded }) => excluded === undefined);
  if (open.length > maxProbes)
    findings.note("connect", `${open.length} endpoints; ${maxProbes} of them are connected to`);
  const waiting = open.slice(0, maxProbes);
  const lane = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
      probes.set(next.address, await probe(session, next, tls));
  };
  await Promise.all(Array.from({ length: probesAtATime }, lane));
  for (const { address } of open) {
    const result = probes.get(address);
    if (result === undefined) continue;
    if (result.ok) findings.ok("connect", `${address}: ${describeSuccess(result)}`);
    else findings.wrong("connect", result.text);
  }
  return found.map((endpoint) => {
    const result = probes.get(endpoint.address);
    return result === undefined ? endpoint : { ...endpoint, probe: result };
  });
}

function probe(session: Session, { host, port }: FoundEndpoint, tls: TlsOptions | undefined): Promise<ProbeResult> {
  const { clock } = session.runtime;
  const { timeoutMs, signal } = session;
  if (tls === undefined) return http2Probe(clock, { host, port }, { timeoutMs, signal, tls: undefined });
  const target = new ClientTlsSources(session.runtime).target(tls);
  const options = typeof target.tls === "function" ? target.tls() : target.tls;
  return http2Probe(clock, { host, port }, { timeoutMs, signal, tls: { options, servername: target.servername } });
}

function describeSuccess({ tcpMs, http2Ms = 0, tls }: Extract<ProbeResult, { ok: true }>): string {
  return `TCP ${formatMs(tcpMs)}, ${tls === undefined ? "" : `${tls}, `}HTTP/2 ${formatMs(http2Ms)}`;
}
