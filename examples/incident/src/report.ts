import type { GatewayResult, Progress } from "./messages.js";
import type { Options } from "./options.js";
import { type Check, explainedByKill, type ProviderRecord } from "./verdict.js";

/** One line that is written over itself on a terminal, and once a second elsewhere. */
export class ProgressLine {
  readonly #quiet: boolean;
  readonly #terminal = process.stdout.isTTY;
  #last: { at: number; calls: number } | undefined;
  #printed = 0;

  constructor(options: Options) {
    this.#quiet = options.json;
  }

  show(p: Progress): void {
    if (this.#quiet) return;
    const now = Date.now();
    const rate =
      this.#last === undefined ? 0 : ((p.calls - this.#last.calls) * 1000) / Math.max(1, now - this.#last.at);
    this.#last = { at: now, calls: p.calls };
    if (!this.#terminal && now - this.#printed < 1000) return;
    this.#printed = now;
    const text =
      `calls ${p.calls}  ${Math.round(rate)}/s  errors ${p.failed}  p50 ${p.p50Ms.toFixed(1)} ms  p99 ${p.p99Ms.toFixed(1)} ms  ` +
      `endpoints ${p.endpoints}  connections ${p.connections}  watches ${p.watches}  ${Math.round(p.rssMb)} MB`;
    process.stdout.write(this.#terminal ? `\r\x1b[K${text}` : `${text}\n`);
  }

  note(what: string): void {
    if (this.#quiet) return;
    process.stdout.write(this.#terminal ? `\r\x1b[K— ${what}\n` : `— ${what}\n`);
  }

  end(): void {
    if (!this.#quiet && this.#terminal) process.stdout.write("\r\x1b[K");
  }
}

export function printReport(
  options: Options,
  result: GatewayResult,
  providers: readonly ProviderRecord[],
  checks: readonly Check[],
): void {
  if (options.json) {
    console.log(JSON.stringify({ options, result, providers, checks }, undefined, 2));
    return;
  }
  const killed = new Set(providers.filter((p) => p.end === "killed").map((p) => p.address));
  const l = result.latencyMs;
  const { discovery: d, pool: p } = result;
  const ms = (value: number) => `${value.toFixed(2)} ms`;
  console.log(`
calls              ${result.calls}, ${Math.round((result.ok * 1000) / result.elapsedMs)} completed a second, ${result.clientsMade} clients made (mode ${options.mode})
failures           ${result.calls - result.ok}`);
  for (const f of result.failures) {
    const cause = explainedByKill(f, killed, options.mode) ? "in flight on a killed provider" : "UNEXPLAINED";
    console.log(
      `  ${String(f.count).padStart(6)}  ${cause}: ${f.code}, ${f.source}, processed: ${f.processed}, ${f.endpoint} ${f.message}`,
    );
  }
  console.log(`latency            p50 ${ms(l.p50)}  p90 ${ms(l.p90)}  p99 ${ms(l.p99)}  p99.9 ${ms(l.p999)}  max ${ms(l.max)}
mapping            ${d.mappingListens} listen(s), ${d.mappingReads} read(s), ${d.sessions} registry session(s)
watches            ${d.watches}
metadata fetches   ${d.metadataFetches} for ${providers.length} revision(s)
connections        ${p.connectionsOpened} opened to ${p.endpointsSeen.length} endpoints, at most ${p.maxPerEndpoint} at a time to one
memory             ${Math.round(result.memory.rssMb)} MB resident, ${Math.round(result.memory.heapMb)} MB heap
providers`);
  for (const r of providers) {
    const { completed, replied, abandoned } = r.counts;
    console.log(
      `  ${r.name.padEnd(4)} ${r.address.padEnd(16)} ${r.end.padEnd(8)} ${completed} exchanges, ${replied} replies, ${abandoned} broken off`,
    );
  }
  console.log("promises");
  for (const c of checks) console.log(`  ${c.held ? "held  " : "BROKEN"} ${c.promise}: ${c.seen}`);
  const brokenOnes = checks.filter((c) => !c.held).length;
  console.log(brokenOnes === 0 ? "\nEvery promise held." : `\n${brokenOnes} promise(s) broken.`);
}
