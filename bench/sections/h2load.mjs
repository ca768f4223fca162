import { startServer } from "../lib/cell.mjs";
import { runH2load } from "../lib/h2load.mjs";
import { median } from "../lib/statistics.mjs";
import { measured, number, table, times } from "../lib/table.mjs";
import { subjectNamed } from "../subjects/subject.mjs";

const SUBJECTS = ["dubhe", "grpc-js", "connect-node", "nice-grpc", "grpc-go", "node-http2"];
const LOAD = ["-c", "1", "-m", "64"];

export const h2load = {
  name: "h2load",
  title: "Server alone, under h2load",
  needs: ["h2load"],
  cells: ({ quick }) => (quick ? SUBJECTS.slice(0, 1) : SUBJECTS).map((subject) => ({ subject, run: cellOf(subject) })),
  lines(bySubject) {
    const dubhe = bySubject.get("dubhe") ?? [];
    return [
      `\`h2load ${LOAD.join(" ")}\`: the client is in C, one connection, 64 unary calls of 64 octets at a time.`,
      "",
      ...table(
        ["subject", "calls/s", "server CPU µs", "server / Dubhe's"],
        [...bySubject].map(([subject, results]) => [
          subject,
          measured(
            results.map(({ callsPerSecond }) => callsPerSecond),
            number,
          ),
          measured(results.map(({ serverMicros }) => serverMicros)),
          dubhe.length === 0
            ? "-"
            : times(median(dubhe.slice(0, results.length).map((d, i) => results[i].serverMicros / d.serverMicros))),
        ]),
      ),
    ];
  },
};

function cellOf(name) {
  return async (context) => {
    const seconds = context.quick ? { warm: 1, measured: 1 } : { warm: 2, measured: 2 };
    const server = await startServer(subjectNamed(name), {}, context);
    try {
      await runH2load([server.port], LOAD, seconds.warm, context);
      const before = await server.child.ask("usage", 10_000);
      const { calls, callsPerSecond } = await runH2load([server.port], LOAD, seconds.measured, context);
      const after = await server.child.ask("usage", 10_000);
      return { callsPerSecond, serverMicros: (after.cpuMicros - before.cpuMicros) / calls, errors: 0 };
    } finally {
      await server.child.stop();
    }
  };
}
