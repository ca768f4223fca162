import { didYouMean } from "@dubhe/discovery";
import { runDoctor } from "./doctor.js";
import { runExplain } from "./explain/run-explain.js";
import { runList } from "./list.js";
import { type CommandLine, commands, parseCommandLine } from "./options.js";
import { cutShortCode, marked, printable, type Terminal } from "./terminal.js";
import { commandHelp, mainHelp, UsageError } from "./usage.js";
import { runWatch } from "./watch.js";

const runners: Readonly<Record<string, (line: CommandLine, terminal: Terminal) => Promise<number>>> = {
  doctor: runDoctor,
  explain: runExplain,
  ls: runList,
  watch: runWatch,
};

/**
 * Runs `dubhe` with these arguments and resolves with the exit code: 0 fine, 1 not, 2 the command line cannot be, or that of what cut it
 * short (`CutShort`). Never rejects; writes to `terminal` alone.
 */
export async function runCli(args: readonly string[], terminal: Terminal): Promise<number> {
  try {
    return await dispatch(args, terminal);
  } catch (error) {
    if (terminal.signal.aborted) return cutShortCode(terminal.signal);
    if (error instanceof UsageError) {
      terminal.err(marked(terminal, "wrong", error.message));
      terminal.err(`dubhe ${error.command === undefined ? "" : `${error.command} `}--help says what there is.`);
      return 2;
    }
    // What is left has a message for the user, as a file that cannot be read; else it is our own fault and worth a report.
    terminal.err(marked(terminal, "wrong", error instanceof Error ? error.message : String(error)));
    if ((terminal.env["DUBHE_DEBUG"] ?? "") !== "" && error instanceof Error)
      for (const line of String(error.stack).split("\n")) terminal.err(printable(line));
    return 1;
  }
}

async function dispatch(args: readonly string[], terminal: Terminal): Promise<number> {
  const [command, ...rest] = args;
  if (command === undefined) throw new UsageError(`a command is missing: ${commands.join(", ")}`);
  if (command === "--help" || command === "-h" || command === "help") {
    const topic = rest[0];
    terminal.out(topic === undefined ? mainHelp : helpOf(topic));
    return 0;
  }
  const run = Object.hasOwn(runners, command) ? runners[command] : undefined;
  if (run === undefined) throw new UsageError(`no command is named "${command}".${didYouMean(command, commands)}`);
  const line = parseCommandLine(command, rest, terminal.env);
  if (line.common.help) {
    terminal.out(helpOf(command));
    return 0;
  }
  return await run(line, terminal);
}

function helpOf(command: string): string {
  const help = Object.hasOwn(commandHelp, command) ? commandHelp[command] : undefined;
  if (help === undefined) throw new UsageError(`no command is named "${command}".${didYouMean(command, commands)}`);
  return help;
}
