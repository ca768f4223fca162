import { SCENARIOS } from "../scenarios.mjs";
import { judge } from "./bars.mjs";
import { median, spread } from "./statistics.mjs";

const number = (value, digits = 0) =>
  Number.isNaN(value)
    ? "-"
    : value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const micros = (value) => number(value, value < 100 ? 2 : 0);
const times = (value) => `${number(value, 1)}x`;
const range = ({ min, max }, format) => `${format(min)} to ${format(max)}`;

function row(cells) {
  return `| ${cells.join(" | ")} |`;
}

function scenarioSection(scenario, bySubject) {
  const head = [
    "subject",
    "calls/s",
    "least to most",
    "client CPU µs",
    "server CPU µs",
    "both µs",
    "both / Dubhe's",
    "p50 µs",
    "p99 µs",
  ];
  if (scenario.registry) head.push("connections");
  head.push("errors");
  const dubhe = bySubject.get("dubhe") ?? [];
  const measured = [...bySubject].filter(([, results]) => results.length > 0);
  const rows = measured.map(([subject, results]) => {
    const of = (key) => results.map((result) => result[key]);
    const rate = spread(of("callsPerSecond"));
    const factors = dubhe.slice(0, results.length).map((result, i) => results[i].cpuMicros / result.cpuMicros);
    const cells = [
      subject,
      number(rate.median),
      range(rate, number),
      micros(median(of("clientMicros"))),
      micros(median(of("serverMicros"))),
      micros(median(of("cpuMicros"))),
      dubhe.length === 0 ? "-" : times(median(factors)),
      number(median(of("p50Micros"))),
      number(median(of("p99Micros"))),
    ];
    if (scenario.registry) cells.push(number(median(results.map((result) => result.connections.accepted))));
    cells.push(number(of("errors").reduce((sum, errors) => sum + errors, 0)));
    return row(cells);
  });
  return [
    `## ${scenario.title} (\`${scenario.name}\`)`,
    "",
    `One call = ${scenario.call}.`,
    "",
    row(head),
    row(head.map((_, i) => (i === 0 ? "---" : "---:"))),
    ...rows,
    "",
  ];
}

function barsSection(verdicts) {
  if (verdicts.length === 0) return [];
  return [
    "## Bars",
    "",
    row(["bar", "median of the rounds", "least to most", "verdict"]),
    row(["---", "---:", "---:", "---"]),
    ...verdicts.map((bar) =>
      row([
        bar.what,
        times(bar.factor.median),
        range(bar.factor, times),
        bar.held ? "held" : `MISSED (${bar.atLeast}x)`,
      ]),
    ),
    "",
  ];
}

/** @param {{ command: string, startedAt: Date, machine: object, versions: Record<string, string>, rounds: number, budget: object, pinning: object | undefined, cells: Map, judged: boolean }} run */
export function report(run) {
  const { machine, budget, cells } = run;
  const pinned =
    run.pinning === undefined
      ? "not pinned"
      : `client on CPU ${run.pinning.client}, server on CPU ${run.pinning.server}`;
  const verdicts = run.judged ? judge(cells) : [];
  return [
    "# Results of the benchmark",
    "",
    `- \`${run.command}\`, ${run.startedAt.toISOString().slice(0, 10)}, ${run.rounds} ${run.rounds === 1 ? "round" : "rounds"}`,
    `- ${machine.cpus} x ${machine.model}, ${machine.memoryGiB} GiB, ${machine.system}; ${pinned}`,
    `- load average ${machine.loadBefore} before, ${machine.loadAfter} after`,
    `- Node ${process.versions.node}; ${Object.entries(run.versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(", ")}`,
    `- each cell: ${budget.warmCpuMs} ms of client CPU to warm up (at most ${budget.warmWallMs} ms), ${budget.cpuMs} ms measured (at most ${budget.wallMs} ms)`,
    "",
    "CPU is user and system time per call, GC and helper threads included; it is the figure to compare, because rates and",
    "latencies swing with whatever else the machine does. Figures are medians of the rounds; `both / Dubhe's` is the median",
    "of the ratio within each round. What is measured, and how: [README.md](README.md).",
    "",
    ...barsSection(verdicts),
    ...SCENARIOS.filter(({ name }) => cells.has(name)).flatMap((scenario) =>
      scenarioSection(scenario, cells.get(scenario.name)),
    ),
  ].join("\n");
}
