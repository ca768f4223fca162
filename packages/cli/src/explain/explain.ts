import type { ServiceRef } from "@dubhe/discovery";
import { ClientTlsSources, type ConfiguredRegistry, type TlsOptions } from "dubhe/tools";
import { formatMs } from "../first-event.js";
import { http2Probe } from "../probe/http2-probe.js";
import type { ProbeResult, ProbeTarget } from "../probe/probe-result.js";
import type { Session } from "../session.js";
import { ApplicationSearch } from "./application-search.js";
import { type Candidate, endpointOfView, endpointsOfCandidates } from "./candidates.js";
import { type ConsumerView, consumerView, type Migration } from "./consumer-view.js";
import { type Explanation, Findings, type FoundEndpoint } from "./explanation.js";
import { searchInterface } from "./interface-search.js";

/** So many endpoints are connected to, and so many at a time. */
const maxProbes = 64;
const probesAtATime = 8;

/**
 * Goes the way of a consumer, step by step and registry by registry, and says what it finds. Rejects only when the command is
 * interrupted.
 */
export async function explain(
  session: Session,
  ref: ServiceRef,
  { tls, application }: { readonly tls: TlsOptions | undefined; readonly application: string },
): Promise<Explanation> {
  const findings = new Findings();
  const candidates: Candidate[] = [];
  const registries = session.registries.filter(({ use }) => use.subscribe);
  if (registries.length === 0) findings.wrong("registry", "every registry has subscribe=false: none would be asked");
  const answering: ConfiguredRegistry[] = [];
  for (const registry of registries) {
    const found = await search(session, registry, ref, findings, tls);
    if (found === undefined) continue;
    answering.push(registry);
    candidates.push(...found);
  }
  // The steps before tell what is there; whom a consumer would call is for its own code to say.
  const view = answering.length === 0 ? undefined : await consumerView(session, answering, ref, application);
  const found = view === undefined ? [] : view.endpoints.map(endpointOfView).toSorted(byAddress);
  if (view !== undefined) compare(view, found, endpointsOfCandidates(candidates), findings);
  const endpoints = await probed(session, found, tls, findings);
  const callable = endpoints.some(({ excluded, probe }) => excluded === undefined && probe?.ok === true);
  return {
    service: ref,
    registries: session.registries.map(({ use }) => use.registry.id),
    steps: findings.steps,
    consumer: view === undefined ? null : summaryOf(view),
    endpoints,
    callable,
    problem: callable ? null : findings.problem(),
  };
}

/** What was found on the way and is not in the view: by another model than the one that the migration rule chose, or it has just changed. */
function compare(
  view: ConsumerView,
  found: readonly FoundEndpoint[],
  seen: readonly FoundEndpoint[],
  findings: Findings,
): void {
  for (const migration of view.migrations) findings.note("endpoints", describeMigration(migration));
  const missing = seen.filter(({ address }) => !found.some((endpoint) => endpoint.address === address));
  if (missing.length === 0) return;
  const some = missing.slice(0, 3).map(({ address }) => address);
  const names = `${some.join(", ")}${missing.length > 3 ? ` and ${missing.length - 3} more` : ""}`;
  const text = `not among the consumer's endpoints: ${names}${view.reason === undefined ? "" : ` (${view.reason})`}`;
  if (found.length === 0) findings.wrong("endpoints", text);
  else findings.note("endpoints", text);
}

function describeMigration({ registry, step, shown, applicationPercent: percent }: Migration): string {
  const both = `${registry} has both models; by migration step ${step}`;
  if (percent === undefined) return `${both} the ${shown} level counts`;
  const rest = Number((100 - percent).toFixed(1));
  return `${both} and its proportion ${percent} % of the calls go to the application level, ${rest} % to the interface level`;
}

function summaryOf({ state, reason, excluded, migrations }: ConsumerView): Explanation["consumer"] {
  return { state, reason: reason ?? null, excluded, migrations };
}

function byAddress(a: FoundEndpoint, b: FoundEndpoint): number {
  return a.address < b.address ? -1 : 1;
}

/** Undefined where the registry does not answer at all. */
async function search(
  session: Session,
  registry: ConfiguredRegistry,
  ref: ServiceRef,
  findings: Findings,
  tls: TlsOptions | undefined,
): Promise<readonly Candidate[] | undefined> {
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
    return undefined;
  }
  const found: Candidate[] = [];
  try {
    const probing = (target: ProbeTarget): Promise<ProbeResult> => probe(session, target, tls);
    if (type !== "interface")
      found.push(...(await new ApplicationSearch(session, registry, ref, findings, probing).run()));
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

function probe(session: Session, { host, port }: ProbeTarget, tls: TlsOptions | undefined): Promise<ProbeResult> {
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
