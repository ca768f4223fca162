import type { Failure, GatewayResult, ProviderCounts } from "./messages.js";
import type { Options } from "./options.js";

/** What the parent knows of one provider process. */
export interface ProviderRecord {
  readonly name: string;
  readonly address: string;
  readonly end: "stopped" | "killed" | "crashed";
  /** The last it said; of a killed one, up to 200 ms before its end. */
  readonly counts: ProviderCounts;
}

export interface Check {
  readonly promise: string;
  readonly held: boolean;
  readonly seen: string;
}

/**
 * A failure that a SIGKILL explains: the request's HEADERS had been handed to that process's socket (`processed` is then
 * `maybe`, or `yes` once its response had begun), or nobody but it could be asked (mode direct).
 */
export function explainedByKill(failure: Failure, killed: ReadonlySet<string>, mode: Options["mode"]): boolean {
  if (failure.code !== "unavailable" || !killed.has(failure.endpoint)) return false;
  return failure.processed !== "no" || mode === "direct";
}

/** Holds the promises of the design's §1.1 against what both sides counted. */
export function judge(options: Options, result: GatewayResult, providers: readonly ProviderRecord[]): readonly Check[] {
  const killed = new Set(providers.filter((p) => p.end === "killed").map((p) => p.address));
  const inFlight = sum(result.failures.filter((f) => explainedByKill(f, killed, options.mode)).map((f) => f.count));
  const others = result.failures.filter((f) => !explainedByKill(f, killed, options.mode));
  const checks: Check[] = [
    check("calls were made", result.ok > 0, `${result.ok} completed`),
    check(
      "failures in flight on a killed provider are at most kills x concurrency",
      inFlight <= killed.size * options.concurrency,
      `${inFlight}, bound ${killed.size * options.concurrency}`,
    ),
    check("no other call failed", others.length === 0, describe(others)),
    check("every stream's contents are right", result.wrongContents.length === 0, firstOf(result.wrongContents)),
    ...reconcile(result, providers),
    ...discoveryChecks(options, result, providers.length),
    check("nothing is left open after close", result.leftOpen.length === 0, firstOf(result.leftOpen)),
  ];
  for (const p of providers) {
    if (p.end === "crashed") checks.push(check(`${p.name} lives until it is told to go`, false, "it ended by itself"));
  }
  if (options.soak) checks.push(...soakChecks(result, options.providers));
  return checks;
}

/** The gateway's counts against the providers' own. */
function reconcile(result: GatewayResult, providers: readonly ProviderRecord[]): Check[] {
  const known = new Set(providers.map((p) => p.name));
  const strangers = Object.keys(result.completedBy).filter((name) => !known.has(name));
  const checks = [check("only our providers answered", strangers.length === 0, firstOf(strangers))];
  for (const p of providers) {
    const gateway = result.completedBy[p.name] ?? 0;
    const replies = result.repliesFrom[p.name] ?? 0;
    if (p.end === "killed") {
      // Its last report may be older than its end, never newer: what it had completed, the gateway saw or lost in flight.
      const lost = sum(result.failures.filter((f) => f.endpoint === p.address).map((f) => f.count));
      const held = p.counts.completed <= gateway + lost;
      checks.push(
        check(
          `${p.name} (killed) completed no more than the gateway knows`,
          held,
          `${p.counts.completed} <= ${gateway} + ${lost}`,
        ),
      );
    } else {
      const held = p.counts.completed === gateway && p.counts.replied === replies;
      const seen = `exchanges ${p.counts.completed} = ${gateway}, replies ${p.counts.replied} = ${replies}`;
      checks.push(check(`${p.name} and the gateway count alike`, held, seen));
    }
  }
  return checks;
}

function discoveryChecks(options: Options, result: GatewayResult, revisions: number): Check[] {
  if (options.mode === "direct") return [];
  const { discovery: d, pool: p } = result;
  const apps = Math.max(1, result.appsMade);
  return [
    check(
      "at most one mapping listen",
      d.mappingListens <= apps,
      `${d.mappingListens} for ${result.clientsMade} clients`,
    ),
    check(
      "at most two mapping reads a registry session",
      d.mappingReads <= 2 * d.sessions,
      `${d.mappingReads} in ${d.sessions} session(s)`,
    ),
    check("at most one watch an application", d.watches <= d.applications, `${d.watches} for ${d.applications}`),
    // Each provider has a port of its own, and so a revision of its own.
    check(
      "at most one metadata fetch a revision",
      d.metadataFetches <= revisions * apps,
      `${d.metadataFetches} for ${revisions}`,
    ),
    check(
      "connections at most the limit of an endpoint",
      p.maxPerEndpoint <= p.limitPerEndpoint,
      `at most ${p.maxPerEndpoint} at a time to one of ${p.endpointsSeen.length} endpoints, limit ${p.limitPerEndpoint}`,
    ),
  ];
}

/**
 * Growth between the first and the last third of the run; the first samples warm up and do not count. Endpoints and
 * connections vary with the providers that come and go meanwhile.
 */
export function soakChecks(result: GatewayResult, comeAndGo: number): Check[] {
  const samples = result.soak.slice(Math.ceil(result.soak.length / 5));
  if (samples.length < 6)
    return [check("a soak has samples enough to judge", false, `${samples.length} after warm-up, 6 wanted`)];
  const third = Math.floor(samples.length / 3);
  const early = samples.slice(0, third);
  const late = samples.slice(-third);
  // Samples fall anywhere between two collections of what is in flight: a leak shows when the least is above what was the most.
  const heapEarly = Math.max(...early.map((s) => s.heapMb));
  const heapLate = Math.min(...late.map((s) => s.heapMb));
  const checks = [
    check(
      "the heap after forced GC does not grow",
      heapLate <= heapEarly * 1.05 + 1,
      `at most ${heapEarly.toFixed(1)} MB, later at least ${heapLate.toFixed(1)} MB`,
    ),
  ];
  for (const name of Object.keys(samples[0]?.open ?? {})) {
    const before = Math.max(...early.map((s) => s.open[name] ?? 0));
    const after = Math.min(...late.map((s) => s.open[name] ?? 0));
    const slack = name === "endpoints" || name === "connections" ? comeAndGo : 0;
    checks.push(check(`${name} do not grow`, after <= before + slack, `at most ${before}, later at least ${after}`));
  }
  return checks;
}

function check(promise: string, held: boolean, seen: string): Check {
  return { promise, held, seen };
}

function describe(failures: readonly Failure[]): string {
  if (failures.length === 0) return "0";
  return failures
    .map((f) => `${f.count} x ${f.code} (${f.source}, processed: ${f.processed}) ${f.endpoint} ${f.message}`)
    .join("; ");
}

function firstOf(list: readonly string[]): string {
  return list.length === 0 ? "0" : `${list.length}, the first: ${list[0]}`;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}
