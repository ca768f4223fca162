import { runCell } from "../lib/cell.mjs";
import { median } from "../lib/statistics.mjs";
import { figure, measured, number, table } from "../lib/table.mjs";

const SUBJECTS = ["dubhe", "grpc-js", "connect-node", "nice-grpc", "grpc-go"];
/** Of what the subject does in a closed loop of 64 calls at a time, and, as "all", of what the slowest does. */
const LOADS = [
  { load: "70 % of the slowest", share: 0.7, of: "slowest" },
  { load: "30 % of its own", share: 0.3, of: "own" },
  { load: "70 % of its own", share: 0.7, of: "own" },
];
const CAPACITY = "unary-64";

export const openLoop = {
  name: "open-loop",
  title: "Open loop: unary calls at fixed rates",
  short: true,
  cells({ quick, subjects }) {
    const measuredHere = SUBJECTS.filter((subject) => subjects.includes(subject));
    const loads = quick ? LOADS.slice(1, 2) : LOADS;
    return loads.flatMap(({ load, share, of }) =>
      (quick ? ["dubhe"] : measuredHere).map((subject) => ({
        subject,
        label: `${subject}, ${load}`,
        async run(context) {
          const capacities = new Map();
          for (const one of of === "own" ? [subject] : measuredHere) capacities.set(one, await capacity(one, context));
          const rate = share * Math.min(...capacities.values());
          const cell = { rate, deadlineMs: 10_000, label: `open-${load}`, budget: context.shortBudget };
          return { load, rate, ...(await runCell(subject, cell, context)) };
        },
      })),
    );
  },
  lines(bySubject) {
    const loads = new Set([...bySubject.values()].flat().map(({ load }) => load));
    return [
      "Calls begin at the times of a Poisson process, one and the same for all subjects, whether or not earlier ones have",
      "been answered. Latency counts from the intended beginning, so that a call which could not begin in time is late. One",
      "connection. The rates are shares of the closed loop with 64 calls at a time. The client of an open loop spins, so only",
      "the server's CPU time says something. Beyond 50,000 open calls none is begun: that load is not carried.",
      "",
      ...table(
        [
          "load",
          "subject",
          "calls/s meant",
          "calls/s done",
          "not begun",
          "p50 µs",
          "p99 µs",
          "p99.9 µs",
          "server CPU µs",
        ],
        [...loads].flatMap((load) =>
          [...bySubject].flatMap(([subject, all]) => {
            const results = all.filter((result) => result.load === load);
            if (results.length === 0) return [];
            const of = (key) => results.map((result) => result[key]);
            return [
              [
                load,
                subject,
                number(median(of("rate"))),
                number(median(of("callsPerSecond"))),
                number(of("notBegun").reduce((sum, count) => sum + count, 0)),
                measured(of("p50Micros"), number),
                measured(of("p99Micros"), number),
                measured(of("p999Micros"), number),
                figure(median(of("serverMicros"))),
              ],
            ];
          }),
        ),
      ),
    ];
  },
};

/** Calls per second in the closed loop of this run, or of one measured for this. */
async function capacity(subject, context) {
  const closed = context.resultsOf(CAPACITY).get(subject) ?? [];
  if (closed.length > 0) return median(closed.map(({ callsPerSecond }) => callsPerSecond));
  context.capacities ??= new Map();
  if (!context.capacities.has(subject)) {
    const { callsPerSecond } = await runCell(subject, { label: "capacity", budget: context.shortBudget }, context);
    context.capacities.set(subject, callsPerSecond);
  }
  return context.capacities.get(subject);
}
