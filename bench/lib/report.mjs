import { figure, number, range, table, times } from "./table.mjs";

/** A factor below one is Dubhe's disadvantage: "at most 8x the reference's" reads better than "0.125x". */
const wanted = ({ least, most, other }) =>
  most !== undefined ? `<= ${figure(most)}` : least < 1 ? `<= ${figure(1 / least)}x ${other}'s` : `${figure(least)}x`;
const found = (bar, value) =>
  bar.most !== undefined ? figure(value) : bar.least < 1 ? `${figure(1 / value)}x` : times(value);

function barLines(verdicts) {
  if (verdicts.length === 0) return [];
  const rows = verdicts.map((bar) => {
    const { median, min, max } = bar.factor;
    const ends = [found(bar, min), found(bar, max)];
    if (bar.least < 1) ends.reverse();
    return [
      bar.what,
      bar.other ?? "",
      wanted(bar),
      found(bar, median),
      min === max ? "" : ends.join(" to "),
      bar.held ? "held" : "MISSED",
      bar.aim === undefined ? "" : `${times(bar.aim)}: ${bar.aimed ? "reached" : "not reached"}`,
    ];
  });
  return [
    "## Bars",
    "",
    "How many times better than the other Dubhe is to be, and is: the median over the rounds of the ratio within a round.",
    "",
    ...table(["what", "other", "target", "measured", "least to most", "verdict", "aim"], rows),
  ];
}

/**
 * @param {{ command: string, startedAt: Date, tookMs: number, machine: object, versions: Record<string, string>, rounds: number, budget: object,
 *   pinning: object | undefined, sections: readonly object[], verdicts: readonly object[] }} run  a section: its title, name, loads, results, lines
 */
export function report(run) {
  const { machine, budget, pinning } = run;
  const pinned =
    pinning === undefined
      ? "not pinned"
      : `client on CPU ${pinning.client}, server on CPU ${pinning.server} (several servers: ${pinning.servers})`;
  const loads = run.sections.flatMap((section) => section.loads);
  return [
    "# Results of the benchmark",
    "",
    `- \`${run.command}\`, ${run.startedAt.toISOString().slice(0, 10)}, ${run.rounds} ${run.rounds === 1 ? "round" : "rounds"}, took ${Math.max(1, Math.round(run.tookMs / 60_000))} min`,
    `- ${machine.cpus} x ${machine.model}, ${machine.memoryGiB} GiB, ${machine.system}; ${pinned}`,
    `- load average ${loadsOf(loads)}`,
    `- Node ${process.versions.node}; ${Object.entries(run.versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(", ")}`,
    `- each cell: ${budget.warmCpuMs} ms of client CPU to warm up (at most ${budget.warmWallMs} ms), ${budget.cpuMs} ms measured (at most ${budget.wallMs} ms)`,
    "",
    "CPU is user and system time per call, GC and helper threads included; it is the figure to compare, because rates and",
    "latencies swing with whatever else the machine does. Figures are medians of the rounds, with the least and the greatest",
    "in brackets; `both / Dubhe's` is the median of the ratio within each round. `A → B` is the client of A and the server of",
    "B. What is measured, and how: [README.md](README.md).",
    "",
    ...barLines(run.verdicts),
    ...run.sections.flatMap((section) => [
      `## ${section.title} (\`${section.name}\`)`,
      "",
      ...section.lines(section.results),
      `Load average ${loadsOf(section.loads)}.`,
      "",
    ]),
  ]
    .join("\n")
    .replace(/\n+$/, "\n");
}

function loadsOf(loads) {
  const before = loads.map(({ before: load }) => load);
  const after = loads.map(({ after: load }) => load);
  const text = (values) =>
    values.length === 0 ? "-" : range({ min: Math.min(...values), max: Math.max(...values) }, one) || one(values[0]);
  return `${text(before)} before, ${text(after)} after`;
}

const one = (value) => value.toFixed(1);
