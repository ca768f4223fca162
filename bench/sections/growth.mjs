import { mayOpen, runCell } from "../lib/cell.mjs";
import { median } from "../lib/statistics.mjs";
import { lineChart } from "../lib/svg.mjs";
import { figure, number, table } from "../lib/table.mjs";
import { GROWTH } from "../scenarios.mjs";

/** Ten thousand calls at a time wait for each other. */
const DEADLINE_MS = 60_000;
const QUICK_POINTS = 2;

export const growths = GROWTH.map((growth) => ({
  name: growth.name,
  title: `How cost grows: ${growth.title.toLowerCase()}`,
  once: true,
  short: true,
  cells({ quick, shortBudget }) {
    const subjects = quick ? ["dubhe"] : growth.subjects;
    const xs = quick ? growth.xs.slice(1, 1 + QUICK_POINTS) : growth.xs;
    return xs.flatMap((x) =>
      subjects.map((subject) => ({
        subject,
        label: `${subject} ${x}`,
        async run(context) {
          const load = { deadlineMs: DEADLINE_MS, label: `${growth.name}-${x}`, budget: shortBudget, ...growth.at(x) };
          if (!mayOpen(load.connections ?? 1))
            throw new Error(`ulimit -n is too low for ${load.connections} connections`);
          return { x, ...(await runCell(subject, load, context)) };
        },
      })),
    );
  },
  lines: (results) => growthLines(growth, results),
  /** Files beside the report, by name. */
  files: (results) => ({ [`${growth.name}.svg`]: chart(growth, results) }),
}));

function growthLines(growth, bySubject) {
  const subjects = [...bySubject.keys()];
  const at = (subject, x, key) =>
    median(
      bySubject
        .get(subject)
        .filter((result) => result.x === x)
        .map((result) => result[key]),
    );
  const xs = [...new Set([...bySubject.values()].flat().map(({ x }) => x))].sort((a, b) => a - b);
  return [
    `x = ${growth.x}.`,
    "",
    `![CPU per call against x](plots/${growth.name}.svg)`,
    "",
    ...table(
      [
        "x",
        ...subjects.map((s) => `${s} µs`),
        ...subjects.map((s) => `${s} p50 µs`),
        ...subjects.map((s) => `${s} calls/s`),
      ],
      xs.map((x) => [
        number(x),
        ...subjects.map((subject) => figure(at(subject, x, "cpuMicros"))),
        ...subjects.map((subject) => number(at(subject, x, "p50Micros"))),
        ...subjects.map((subject) => number(at(subject, x, "callsPerSecond"))),
      ]),
    ),
  ];
}

function chart(growth, bySubject) {
  return lineChart({
    title: `CPU per call: ${growth.title.toLowerCase()}`,
    xLabel: growth.x,
    yLabel: "CPU per call, client and server, µs",
    series: [...bySubject].map(([name, results]) => ({
      name,
      points: [...results].sort((a, b) => a.x - b.x).map(({ x, cpuMicros }) => ({ x, y: cpuMicros })),
    })),
  });
}
