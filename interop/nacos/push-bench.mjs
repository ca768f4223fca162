// How long a large push of a Nacos server holds up the process that gets it: the longest time between two turns of the event loop, with
// the registry's client and discovery on top of it. The server is a script in another process, so that only the consumer is measured.
// Usage: node interop/nacos/push-bench.mjs [--hosts 5000,10000] [--rounds 12] [--alone (no discovery on top)] [--cluster (what calls are sent by, too)]
//   [--package DIR (the dist of another build of registry-nacos)]
import { fork } from "node:child_process";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { ClusterChannel } from "@dubhe/cluster";
import { createRuntime, systemClock } from "@dubhe/concurrency";
import { createMetadataInfo, ServiceDiscoveryRegistry } from "@dubhe/discovery";
import { Pool } from "@dubhe/rpc";
import { Turns } from "./turns.mjs";

const { values: flags } = parseArgs({
  options: {
    hosts: { type: "string", default: "5000,10000" },
    rounds: { type: "string", default: "12" },
    alone: { type: "boolean", default: false },
    cluster: { type: "boolean", default: false },
    package: { type: "string" },
  },
});
const entry =
  flags.package === undefined ? "@dubhe/registry-nacos" : pathToFileURL(join(flags.package, "index.js")).href;
const { nacosConfig, nacosRegistry } = await import(entry);
const rounds = Number(flags.rounds);
const pause = (ms) =>
  new Promise((resolve) => {
    systemClock.setTimeout(resolve, ms, { ref: true });
  });

const median = (values) => values.slice().sort((a, b) => a - b)[values.length >> 1];
const cell = (value) => value.toFixed(1).padStart(9);

async function measure(hosts) {
  const server = fork(join(import.meta.dirname, "push-server.mjs"), [String(hosts)], { stdio: "inherit" });
  const said = (kind) =>
    new Promise((resolve) => {
      const listen = (message) => {
        if (message.kind !== kind) return;
        server.off("message", listen);
        resolve(message);
      };
      server.on("message", listen);
    });
  const { port } = await said("ready");
  const runtime = createRuntime();
  const config = nacosConfig({ servers: [{ host: "127.0.0.1", grpcPort: port }] });
  const turns = new Turns();
  const registry = nacosRegistry(runtime, config);
  const info = createMetadataInfo({ app: "shop", services: [{ name: "com.Foo" }] });
  const discovery = new ServiceDiscoveryRegistry(runtime, {
    registries: [registry],
    fetchMetadata: async (_instance, revision) => ({ ...info, revision }),
    options: { coalesceMs: 0 },
  });
  await pause(500);
  const rows = new Map();
  const note = (what, began) => {
    const row = rows.get(what) ?? { longest: [], cpu: [], gc: [], total: [] };
    rows.set(what, row);
    row.longest.push(turns.longest);
    row.cpu.push(turns.cpu);
    row.gc.push(turns.gc);
    row.total.push(performance.now() - began);
  };
  turns.reset();
  let began = performance.now();
  let length = 0;
  const lease = flags.alone ? undefined : discovery.subscribe({ service: "com.Foo", providedBy: ["shop"] });
  const pool = flags.cluster && lease !== undefined ? new Pool(runtime) : undefined;
  const channel = pool === undefined ? undefined : new ClusterChannel(lease.view, pool);
  if (flags.alone) {
    registry.watch("shop", (event) => {
      if (event.kind === "instances") length = event.instances.length;
    });
  }
  const seen = () => (lease === undefined ? length : lease.view.table.size);
  while (seen() < hosts) await pause(1);
  await pause(100);
  note("first list", began);
  for (let round = 0; round < rounds; round++) {
    for (const what of ["identical", "one weight", "a tenth", "all", "removed"]) {
      const before = registry.inspect().subscriptions.counters.received;
      turns.reset();
      began = performance.now();
      server.send({ what });
      while (registry.inspect().subscriptions.counters.received === before) await pause(1);
      // Until it is applied: a list of so many is read in well below this.
      await pause(150);
      note(what, began + 150);
    }
  }
  turns.end();
  for (const [what, row] of rows) {
    const longest = Math.max(...row.longest);
    console.log(
      `${String(hosts).padStart(6)}  ${what.padEnd(12)}${cell(median(row.longest))}${cell(longest)}${cell(median(row.cpu))}${cell(Math.max(...row.gc))}${cell(median(row.total))}`,
    );
  }
  const { counters } = registry.inspect().subscriptions;
  console.log(
    `        counters: ${JSON.stringify(counters)}, heap ${(process.memoryUsage().heapUsed / 2 ** 20).toFixed(0)} MB`,
  );
  channel?.close();
  await pool?.close();
  lease?.release();
  await discovery.close();
  await registry.close();
  server.send({ what: "end" });
}

console.log("                       longest turn, ms    its CPU  longest    until");
console.log(" hosts  push          median      max  ms, median   GC, ms  read, ms");
for (const hosts of flags.hosts.split(",").map(Number)) await measure(hosts);
