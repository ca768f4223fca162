import { runCell } from "../lib/cell.mjs";
import { median } from "../lib/statistics.mjs";
import { figure, measured, number, table, times } from "../lib/table.mjs";
import { SCENARIOS } from "../scenarios.mjs";

/** In a quick run only Dubhe does everything; every other subject shows in these that it runs. */
const QUICK_PEERS = new Set(["unary-64", "short-streams"]);

export const closedLoops = SCENARIOS.map((scenario) => ({
  name: scenario.name,
  title: scenario.title,
  needs: scenario.tls ? ["openssl"] : [],
  cells: ({ quick }) =>
    scenario.pairs
      .filter((pair) => !quick || pair === "dubhe" || QUICK_PEERS.has(scenario.name))
      .map((pair) => ({ subject: pair, run: (context) => runCell(pair, loadOf(scenario, context), context) })),
  lines: (results) => closedTable(scenario, results),
}));

function loadOf(scenario, { budget }) {
  const { name, title: _title, call: _call, pairs: _pairs, ...load } = scenario;
  return { ...load, label: name, budget };
}

/** @param {Map<string, object[]>} bySubject */
function closedTable(scenario, bySubject) {
  const head = [
    "subject",
    "calls/s",
    "client CPU µs",
    "server CPU µs",
    "both µs",
    "both / Dubhe's",
    "p50 µs",
    "p99 µs",
  ];
  if (scenario.registry) head.push("connections", "left open");
  const dubhe = bySubject.get("dubhe") ?? [];
  const rows = [...bySubject].map(([subject, results]) => {
    const of = (key) => results.map((result) => result[key]);
    const factors = dubhe.slice(0, results.length).map((result, i) => results[i].cpuMicros / result.cpuMicros);
    const cells = [
      subject.replace(">", " → "),
      measured(of("callsPerSecond"), number),
      figure(median(of("clientMicros"))),
      figure(median(of("serverMicros"))),
      measured(of("cpuMicros")),
      factors.length === 0 ? "-" : times(median(factors)),
      measured(of("p50Micros"), number),
      measured(of("p99Micros"), number),
    ];
    if (scenario.registry) {
      cells.push(number(median(results.map(({ connections }) => connections.accepted))));
      cells.push(number(median(results.map(({ connections }) => connections.open))));
    }
    return cells;
  });
  return [`One call = ${scenario.call}.`, "", ...table(head, rows)];
}
