import { parseArgs } from "node:util";
import { SCENARIOS } from "../scenarios.mjs";
import { SUBJECTS } from "../subjects/subject.mjs";

const HELP = `Usage: npm run bench -- [options]

  --rounds N    how often each scenario is measured with each subject (default 5)
  --only LIST   names of scenarios and subjects, separated by commas
                scenarios: ${SCENARIOS.map(({ name }) => name).join(", ")}
                subjects: ${SUBJECTS.join(", ")}
  --quick       one short round: shows that everything runs, within a minute; the figures mean little
  --out FILE    where the report goes. Default: RESULTS.md of a complete run, the terminal else
  --help
`;

/** CPU time is the client's; wall-clock time bounds it where the client mostly waits. */
const THOROUGH = { warmCpuMs: 3_000, warmWallMs: 10_000, cpuMs: 1_000, wallMs: 5_000 };
const QUICK = { warmCpuMs: 500, warmWallMs: 1_000, cpuMs: 300, wallMs: 700 };

export function readOptions(args) {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: "string" },
      only: { type: "string", default: "" },
      quick: { type: "boolean", default: false },
      out: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    process.exit();
  }
  const rounds = Number(values.rounds ?? (values.quick ? 1 : 5));
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error("--rounds wants a whole number from 1 on");
  const only = values.only.split(",").filter((name) => name !== "");
  const names = SCENARIOS.map(({ name }) => name);
  for (const name of only) {
    if (!names.includes(name) && !SUBJECTS.includes(name)) throw new Error(`--only: no scenario or subject ${name}`);
  }
  const chosen = (all) => (all.some((name) => only.includes(name)) ? all.filter((name) => only.includes(name)) : all);
  const scenarios = SCENARIOS.filter(({ name }) => chosen(names).includes(name));
  return {
    given: args,
    rounds,
    scenarios,
    subjects: chosen(SUBJECTS),
    budget: values.quick ? QUICK : THOROUGH,
    out: values.out,
    /** Warm enough to be held against the bars. */
    judged: !values.quick,
    /** Worth keeping as the results. */
    complete: !values.quick && only.length === 0,
  };
}
