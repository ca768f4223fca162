import { fileURLToPath } from "node:url";
import { Child } from "../lib/child.mjs";
import { measured, table } from "../lib/table.mjs";

const PROCESS = fileURLToPath(new URL("../discovery-process.mjs", import.meta.url));
const PICKS = ["p2c-ewma", "round-robin", "weighted-random"];

export const discovery = {
  name: "discovery",
  title: "Discovery: 10,000 endpoints",
  short: true,
  cells: () => [
    {
      subject: "dubhe",
      async run({ quick, pinning }) {
        const child = new Child("discovery", [process.execPath, PROCESS, quick ? "50" : "500"], pinning?.client);
        try {
          const { result } = await child.next("result", 60_000);
          return { ...result, errors: 0 };
        } finally {
          await child.stop();
        }
      },
    },
  ],
  lines(bySubject) {
    const results = bySubject.get("dubhe") ?? [];
    const of = (what) => measured(results.map((result) => result[what]));
    return [
      "A pick is of one call, by the balancer alone. A change of 10 is the directory's part: taking the endpoints that the",
      "registry's update touched over into the picker. Weights: all 100, or 1 to 100 mixed.",
      "",
      ...table(
        ["what", "CPU", "CPU with mixed weights"],
        [
          ...PICKS.map((name) => [`pick, ${name}`, `${of(name)} ns`, `${of(`${name}, mixed`)} ns`]),
          ["a change of 10", `${of("delta")} µs`, "-"],
        ],
      ),
    ];
  },
};
