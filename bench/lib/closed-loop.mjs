const POLL_MS = 25;
/** One call in this many has its latency noted: reading the clock twice is dear next to a call of some microseconds. */
const SAMPLED = 16;
const MAX_SAMPLES = 200_000;
const DRAIN_MS = 15_000;

const cpuMs = (usage) => (usage.user + usage.system) / 1000;

/**
 * Runs the workers of a scenario; warms up, then measures a window while the load goes on. Both are bounded by CPU time
 * of this process first, so that a slow subject is not measured cold, and by wall-clock time second.
 *
 * @param {import("../scenarios.mjs").Scenario} scenario
 * @param {import("../subjects/subject.mjs").Subject} subject
 * @param {{ warmCpuMs: number, warmWallMs: number, cpuMs: number, wallMs: number }} budget
 * @param {(edge: "begin" | "end") => void} onEdge  called at both ends of the window
 */
export async function runClosedLoop(scenario, subject, budget, onEdge) {
  let stopped = false;
  let measuring = false;
  let calls = 0;
  let errors = 0;
  let firstError;
  const samples = [];

  const count = (startedAt) => {
    if (!measuring) return;
    if (++calls % SAMPLED === 0 && samples.length < MAX_SAMPLES) samples.push(performance.now() - startedAt);
  };
  const worker = async () => {
    while (!stopped) {
      try {
        await scenario.run(subject, () => stopped, count);
      } catch (error) {
        errors++;
        firstError ??= String(error?.stack ?? error);
        await delay(10);
      }
    }
  };
  const workers = Promise.all(Array.from({ length: scenario.concurrency }, worker));

  await spend(budget.warmCpuMs, budget.warmWallMs);
  measuring = true;
  onEdge("begin");
  const cpu = process.cpuUsage();
  const from = performance.now();
  await spend(budget.cpuMs, budget.wallMs);
  const wallMs = performance.now() - from;
  const spent = cpuMs(process.cpuUsage(cpu));
  measuring = false;
  onEdge("end");
  stopped = true;

  if ((await Promise.race([workers, delay(DRAIN_MS, "late")])) === "late") {
    errors++;
    firstError ??= `calls were still open ${DRAIN_MS} ms after the end`;
  }
  samples.sort((a, b) => a - b);
  return {
    calls,
    errors,
    firstError,
    callsPerSecond: (calls * 1000) / wallMs,
    clientMicros: (spent * 1000) / calls,
    p50Micros: percentile(samples, 0.5) * 1000,
    p99Micros: percentile(samples, 0.99) * 1000,
  };
}

/** Resolves once this process has used so much CPU since the call, or so much time has passed. */
function spend(cpuBudgetMs, wallBudgetMs) {
  const cpu = process.cpuUsage();
  const from = performance.now();
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      if (cpuMs(process.cpuUsage(cpu)) < cpuBudgetMs && performance.now() - from < wallBudgetMs) return;
      clearInterval(timer);
      resolve();
    }, POLL_MS);
  });
}

function percentile(sorted, share) {
  return sorted.length === 0 ? Number.NaN : sorted[Math.floor(share * (sorted.length - 1))];
}

function delay(ms, value) {
  return new Promise((resolve) => setTimeout(resolve, ms, value).unref());
}
