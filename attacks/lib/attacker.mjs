// The attacker's process: runs one case of ../cases, round by round, at a lower priority.
// node attacker.mjs CASE [--tls]   Prints "READY [port]" (the port of an attack that is a server).
import { setPriority } from "node:os";
import { parseArgs } from "node:util";
import { Assault } from "./assault.mjs";
import { obey } from "./commands.mjs";

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { tls: { type: "boolean", default: false } },
});
// What is measured is the server's work, not who gets a core.
setPriority(5);

const { attack } = await import(`../cases/${positionals[0]}.mjs`);
const assault = new Assault(flags.tls);
const failures = [];
let round = Promise.resolve();
let finished = false;

const hostile = attack.serve === undefined ? "" : ` ${await assault.listen((socket) => attack.serve(socket, assault))}`;

obey({
  begin({ port }) {
    assault.begin(port);
    finished = false;
    round = Promise.resolve(attack.run?.(assault))
      .catch((error) => {
        failures.push(String(error?.stack ?? error));
      })
      .then(() => {
        finished = attack.run !== undefined;
      });
  },
  async end() {
    assault.end();
    await round;
  },
  /** A case whose `run` returns has seen what it waited for. */
  finished: () => finished,
  report: () => ({ tally: assault.tally, failures }),
});
console.log(`READY${hostile}`);
