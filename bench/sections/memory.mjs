import { startOccupier, startServer } from "../lib/cell.mjs";
import { median } from "../lib/statistics.mjs";
import { figure, table } from "../lib/table.mjs";
import { subjectNamed } from "../subjects/subject.mjs";

const SUBJECTS = ["dubhe", "grpc-js", "connect-node", "nice-grpc", "grpc-go", "node-http2"];
const HELD = { connections: 500, streams: 5000, calls: 5000 };
const QUICK = { connections: 50, streams: 200, calls: 200 };
const WORD_MS = 60_000;
const KIB = 1024;

export const memory = {
  name: "memory",
  title: "Memory",
  once: true,
  short: true,
  cells: ({ quick }) =>
    (quick ? ["dubhe"] : SUBJECTS).map((subject) => ({ subject, run: (context) => occupy(subject, context) })),
  lines(bySubject) {
    const head = ["subject"];
    for (const side of ["server", "client"])
      for (const one of Object.keys(HELD)) head.push(`${side}: ${one.replace(/s$/, "")}`);
    return [
      `KiB of one more, as RSS / heap (with what is outside of V8's), after forced GC: ${HELD.connections} connections with one`,
      `unary call each, now idle; ${HELD.streams} open bidirectional streams that have echoed one message, through async iterators`,
      `or what else the API has; ${HELD.calls} unary calls without an answer. Streams and calls are on one client.`,
      "",
      ...table(
        head,
        [...bySubject].map(([subject, results]) => [
          subject,
          ...["server", "client"].flatMap((side) =>
            Object.keys(HELD).map((one) => {
              const of = (key) => figure(Math.max(0, median(results.map((result) => result[side][one][key]))));
              return `${of("rss")} / ${of("heap")}`;
            }),
          ),
        ]),
      ),
    ];
  },
};

async function occupy(name, context) {
  const counts = context.quick ? QUICK : HELD;
  const subject = subjectNamed(name);
  const server = await startServer(subject, {}, context, ["--expose-gc"]);
  let client;
  try {
    client = await startOccupier(subject, server.port, context);
    const used = async () => ({
      server: await server.child.ask("memory", WORD_MS),
      client: await client.ask("memory", WORD_MS),
    });
    const result = { server: {}, client: {}, errors: 0 };
    let before = await used();
    for (const [one, count] of Object.entries(counts)) {
      await client.ask(`${one} ${count}`, WORD_MS);
      const after = await used();
      for (const side of ["server", "client"]) {
        result[side][one] = {
          rss: (after[side].rss - before[side].rss) / count / KIB,
          heap: (after[side].heap - before[side].heap) / count / KIB,
        };
      }
      before = after;
    }
    return result;
  } finally {
    await client?.stop();
    await server.child.stop();
  }
}
