// The attacked server: `createServer` with its defaults, in a process of its own. Prints "READY <port>".
// node --expose-gc server.mjs [--tls-cert F --tls-key F] [--options JSON]
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { createServer } from "dubhe";
import { MemoryProbe, obey } from "./commands.mjs";
import { EchoService, echo } from "./echo.mjs";

const { values: flags } = parseArgs({
  options: {
    "tls-cert": { type: "string" },
    "tls-key": { type: "string" },
    options: { type: "string", default: "{}" },
  },
});
const tls = flags["tls-cert"] && { cert: readFileSync(flags["tls-cert"]), key: readFileSync(flags["tls-key"]) };

/** An unhandled rejection or a warning is a finding. */
const complaints = [];
process.on("warning", (warning) => complaints.push(String(warning.stack ?? warning)));

const server = createServer({ listen: "127.0.0.1:0", ...(tls && { tls }), ...JSON.parse(flags.options) }).add(
  EchoService,
  echo,
);
await server.start();
const probe = new MemoryProbe();

obey({
  inspect: () => ({ ...server.inspect(), complaints: complaints.slice(0, 5) }),
  memory: (options) => probe.read(options),
  reset: () => probe.reset(),
});
console.log(`READY ${server.address.split(":").at(-1)}`);
