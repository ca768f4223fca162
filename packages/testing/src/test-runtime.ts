import { createRandom, createRuntime, type Random, type Runtime } from "@dubhe/concurrency";
import { VirtualClock } from "./virtual-clock.js";

/** What was given to `runtime.report`. */
export interface Report {
  readonly error: unknown;
  readonly where: string;
}

export interface TestRuntimeOptions {
  /** Of `random`. Default 1. */
  readonly seed?: number;
  readonly clock?: VirtualClock;
}

export interface TestRuntime {
  readonly runtime: Runtime;
  /** The clock below `runtime.clock`. */
  readonly clock: VirtualClock;
  readonly random: Random;
  /** In order; a test that expects none asserts that it is empty. */
  readonly reports: readonly Report[];
}

/** A runtime in virtual time: nothing in it depends on the machine. */
export function testRuntime(options: TestRuntimeOptions = {}): TestRuntime {
  const clock = options.clock ?? new VirtualClock();
  const random = createRandom(options.seed ?? 1);
  const reports: Report[] = [];
  const runtime = createRuntime({ clock, random, report: (error, where) => reports.push({ error, where }) });
  return { runtime, clock, random, reports };
}
