import { fileURLToPath } from "node:url";
import { freePort } from "../lib/cell.mjs";
import { Child } from "../lib/child.mjs";
import { runH2load } from "../lib/h2load.mjs";
import { measured, number, table } from "../lib/table.mjs";

const PROCESS = fileURLToPath(new URL("../cores-process.mjs", import.meta.url));
const MODES = [
  { mode: "single", label: "one process", count: 1 },
  { mode: "cluster", label: "node:cluster, 2 processes behind one port", count: 2 },
  hasReusePort(process.versions.node)
    ? { mode: "reuse-port", label: "2 worker threads behind one port (reusePort)", count: 2 }
    : { mode: "threads", label: "2 worker threads, a port each (this Node has no reusePort)", count: 2 },
];
const CONNECTIONS = 16;

export const cores = {
  name: "cores",
  title: "Many cores",
  needs: ["h2load"],
  cells: () => MODES.map((one) => ({ subject: "dubhe", label: one.label, run: (context) => serveOn(one, context) })),
  lines(bySubject) {
    const results = [...bySubject.values()].flat();
    return [
      `Dubhe's server under h2load: ${CONNECTIONS} connections, 16 unary calls of 64 octets at a time on each. CPU is that of all the`,
      "server's processes and threads.",
      "",
      ...table(
        ["server", "calls/s", "server CPU µs", "CPUs used"],
        MODES.map(({ label }) => {
          const of = (key) => results.filter((result) => result.label === label).map((result) => result[key]);
          return [label, measured(of("callsPerSecond"), number), measured(of("serverMicros")), measured(of("cpus"))];
        }),
      ),
    ];
  },
};

function hasReusePort(version) {
  const [major, minor] = version.split(".").map(Number);
  return major >= 24 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12);
}

async function serveOn({ mode, label, count }, context) {
  const { pinning } = context;
  const command = [process.execPath, PROCESS, mode, String(count), String(await freePort())];
  const server = new Child(label, command, count === 1 ? pinning?.server : pinning?.servers);
  try {
    const { ports } = await server.next("listening", 20_000);
    const seconds = context.quick ? { warm: 1, measured: 1 } : { warm: 2, measured: 2 };
    const load = ["-c", String(CONNECTIONS / ports.length), "-m", "16"];
    await runH2load(ports, load, seconds.warm, context, pinning?.loaders);
    const before = await server.ask("usage", 10_000);
    const { calls, callsPerSecond } = await runH2load(ports, load, seconds.measured, context, pinning?.loaders);
    const after = await server.ask("usage", 10_000);
    const serverMicros = (after.cpuMicros - before.cpuMicros) / calls;
    return { label, callsPerSecond, serverMicros, cpus: (serverMicros * callsPerSecond) / 1e6, errors: 0 };
  } finally {
    await server.stop();
  }
}
