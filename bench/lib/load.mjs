import { Arrivals, seededRandom } from "./arrivals.mjs";
import { percentile } from "./statistics.mjs";

const POLL_MS = 25;
/** One call in this many has its latency noted: reading the clock twice is dear next to a call of some microseconds. */
const SAMPLED = 16;
const MAX_SAMPLES = 200_000;
const DRAIN_MS = 15_000;
/** After the warm-up with more calls at a time than will be measured. */
const SETTLE_MS = 300;
/** An open loop gives up above so many open calls: the subject cannot carry that rate. */
const MAX_OPEN = 50_000;

const cpuMs = (usage) => (usage.user + usage.system) / 1000;

/**
 * What the client of a cell is to do.
 *
 * @typedef {object} Job
 * @property {keyof typeof import("../scenarios.mjs").RUNS} run  what a worker does
 * @property {import("../subjects/subject.mjs").Target} target
 * @property {number} concurrency
 * @property {number} warmConcurrency  while it warms up. More than `concurrency` where a single caller would take minutes
 *   to have the code compiled
 * @property {number} connections
 * @property {number} streams  long streams that the workers share
 * @property {number} messages  on each stream of a firehose
 * @property {number} rate  calls per second of an open loop; 0 is a closed loop
 * @property {{ warmCpuMs: number, warmWallMs: number, cpuMs: number, wallMs: number }} budget
 */

/**
 * Warms up, then measures a window while the load goes on. Both are bounded by CPU time of this process first, so that a
 * slow subject is not measured cold, and by wall-clock time second. The warm-up is a closed loop always.
 *
 * @param {import("../scenarios.mjs").Run} run
 * @param {readonly import("../subjects/subject.mjs").Subject[]} subjects  one a connection
 * @param {Job} job
 * @param {(edge: "begin" | "end") => void} onEdge  called at both ends of the window
 */
export async function runLoad(run, subjects, job, onEdge) {
  const { budget } = job;
  const meter = new Meter();
  const closed = new ClosedLoop(run, subjects, job, meter);
  closed.start(Math.max(job.concurrency, job.warmConcurrency));
  await spend(budget.warmCpuMs, budget.warmWallMs);
  let load = closed;
  if (job.rate > 0) {
    await closed.stop();
    load = new OpenLoop(subjects, job, meter);
    load.start();
  } else if (job.warmConcurrency > job.concurrency) {
    closed.limit = job.concurrency;
  }
  if (load !== closed || job.warmConcurrency > job.concurrency) await delay(SETTLE_MS);

  meter.measuring = true;
  onEdge("begin");
  const cpu = process.cpuUsage();
  const from = performance.now();
  // The client of an open loop spins between the calls: its CPU time measures the clock.
  await spend(job.rate > 0 ? Number.POSITIVE_INFINITY : budget.cpuMs, budget.wallMs);
  const wallMs = performance.now() - from;
  const clientMs = cpuMs(process.cpuUsage(cpu));
  meter.measuring = false;
  onEdge("end");
  await load.stop();
  return meter.result(wallMs, clientMs);
}

/** Counts the calls of the window, and samples how long they took. */
class Meter {
  measuring = false;
  /** One call in so many is sampled. */
  sampled = SAMPLED;
  #calls = 0;
  #errors = 0;
  #firstError;
  #notBegun = 0;
  #samples = [];

  /** A call has finished. `startedAt`: `performance.now()` of its beginning; undefined where a call has no latency. */
  count = (startedAt) => {
    if (!this.measuring) return;
    if (++this.#calls % this.sampled !== 0 || startedAt === undefined) return;
    if (this.#samples.length < MAX_SAMPLES) this.#samples.push(performance.now() - startedAt);
  };

  failed(error) {
    this.#errors++;
    this.#firstError ??= String(error?.stack ?? error);
  }

  /** An open loop asks for more than is carried: a finding, not an error. */
  notBegun() {
    this.#notBegun++;
  }

  result(wallMs, clientMs) {
    const sorted = this.#samples.sort((a, b) => a - b);
    return {
      calls: this.#calls,
      errors: this.#errors,
      firstError: this.#firstError,
      notBegun: this.#notBegun,
      callsPerSecond: (this.#calls * 1000) / wallMs,
      clientMicros: (clientMs * 1000) / this.#calls,
      p50Micros: percentile(sorted, 0.5) * 1000,
      p99Micros: percentile(sorted, 0.99) * 1000,
      p999Micros: percentile(sorted, 0.999) * 1000,
    };
  }
}

/** Workers, each of which begins its next call when the last has been answered. */
class ClosedLoop {
  /** Workers from this number on stop. */
  limit = Number.POSITIVE_INFINITY;
  #run;
  #subjects;
  #job;
  #meter;
  #workers;

  constructor(run, subjects, job, meter) {
    this.#run = run;
    this.#subjects = subjects;
    this.#job = job;
    this.#meter = meter;
  }

  start(workers) {
    this.#workers = Promise.all(Array.from({ length: workers }, (_, index) => this.#work(index)));
  }

  async stop() {
    this.limit = 0;
    await drained(this.#workers, this.#meter);
  }

  async #work(index) {
    const stopped = () => index >= this.limit;
    const subject = this.#subjects[index % this.#subjects.length];
    while (!stopped()) {
      try {
        await this.#run(subject, stopped, this.#meter.count, this.#job);
      } catch (error) {
        this.#meter.failed(error);
        await delay(10);
      }
    }
  }
}

/** Unary calls that begin at the times of a Poisson process, whether or not the earlier ones have been answered. */
class OpenLoop {
  #subjects;
  #meter;
  #rate;
  #open = new Set();
  #stopped = false;
  #given = 0;

  constructor(subjects, job, meter) {
    this.#subjects = subjects;
    this.#meter = meter;
    this.#rate = job.rate;
    meter.sampled = 1;
  }

  /** Spins on the event loop: timers of a whole millisecond would be the greater part of the latencies. */
  start() {
    const arrivals = new Arrivals(this.#rate, performance.now(), seededRandom(1));
    const turn = () => {
      if (this.#stopped) return;
      const now = performance.now();
      for (let at = arrivals.take(now); at !== undefined; at = arrivals.take(now)) this.#begin(at);
      setImmediate(turn);
    };
    turn();
  }

  async stop() {
    this.#stopped = true;
    await drained(Promise.all(this.#open), this.#meter);
  }

  #begin(intendedAt) {
    if (this.#open.size >= MAX_OPEN) {
      this.#meter.notBegun();
      return;
    }
    const subject = this.#subjects[this.#given++ % this.#subjects.length];
    const call = subject.unary().then(
      () => {
        this.#open.delete(call);
        this.#meter.count(intendedAt);
      },
      (error) => {
        this.#open.delete(call);
        this.#meter.failed(error);
      },
    );
    this.#open.add(call);
  }
}

async function drained(work, meter) {
  if ((await Promise.race([work, delay(DRAIN_MS, "late")])) !== "late") return;
  meter.failed(new Error(`calls were still open ${DRAIN_MS} ms after the end`));
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

function delay(ms, value) {
  return new Promise((resolve) => setTimeout(resolve, ms, value).unref());
}
