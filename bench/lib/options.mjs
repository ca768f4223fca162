import { parseArgs } from "node:util";
import { SECTIONS } from "../sections/index.mjs";
import { SUBJECTS } from "../subjects/subject.mjs";

const NAMES = SECTIONS.map(({ name }) => name);
const HELP = `Usage: npm run bench -- [options]

  --rounds N      how often each section is measured, growth and memory excepted (default 3)
  --only LIST     names of sections and subjects, separated by commas; "growth" is all of growth-*
  --without LIST  likewise; grpc-go where there is no go, h2load,cores where there is no h2load
  --quick         one short round: shows that everything runs, within two minutes; the figures mean little
  --out FILE      where the report goes. Default: RESULTS.md of a complete run, the terminal else
  --profile DIR   CPU profiles of the measured windows, of every process that is Node; the figures then mean little
  --help

sections: ${NAMES.join(", ")}
subjects: ${SUBJECTS.map(({ name }) => name).join(", ")}
`;

/** CPU time is the client's; wall-clock time bounds it where the client mostly waits. */
const THOROUGH = {
  budget: { warmCpuMs: 2_000, warmWallMs: 6_000, cpuMs: 1_000, wallMs: 3_000 },
  shortBudget: { warmCpuMs: 1_200, warmWallMs: 2_500, cpuMs: 600, wallMs: 1_500 },
};
const QUICK = {
  budget: { warmCpuMs: 300, warmWallMs: 500, cpuMs: 200, wallMs: 400 },
  shortBudget: { warmCpuMs: 200, warmWallMs: 400, cpuMs: 150, wallMs: 300 },
};

export function readOptions(args) {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: "string" },
      only: { type: "string", default: "" },
      without: { type: "string", default: "" },
      quick: { type: "boolean", default: false },
      out: { type: "string" },
      profile: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    process.exit();
  }
  const rounds = Number(values.rounds ?? (values.quick ? 1 : 3));
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error("--rounds wants a whole number from 1 on");
  const only = namesIn("--only", values.only);
  const without = namesIn("--without", values.without);
  const chosen = (all) => {
    const wanted = all.some((name) => only.includes(name)) ? all.filter((name) => only.includes(name)) : all;
    return wanted.filter((name) => !without.includes(name));
  };
  const sections = chosen(NAMES);
  return {
    given: args,
    rounds,
    sections: SECTIONS.filter(({ name }) => sections.includes(name)),
    subjects: chosen(SUBJECTS.map(({ name }) => name)),
    quick: values.quick,
    ...(values.quick ? QUICK : THOROUGH),
    out: values.out,
    profiles: values.profile,
    /** Warm enough to be held against the bars. */
    judged: !values.quick && values.profile === undefined,
    /** Worth keeping as the results. */
    complete: !values.quick && values.profile === undefined && only.length === 0 && without.length === 0,
  };
}

function namesIn(option, list) {
  const known = [...NAMES, ...SUBJECTS.map(({ name }) => name)];
  return list
    .split(",")
    .filter((name) => name !== "")
    .flatMap((name) => {
      const meant = name === "growth" ? NAMES.filter((one) => one.startsWith("growth-")) : [name];
      if (!meant.every((one) => known.includes(one))) throw new Error(`${option}: no section or subject ${name}`);
      return meant;
    });
}
