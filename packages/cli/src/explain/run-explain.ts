import { refName } from "@dubhe/discovery";
import type { CommandLine } from "../options.js";
import { Session } from "../session.js";
import { bold, jsonText, marked, type Terminal } from "../terminal.js";
import { UsageError } from "../usage.js";
import { explain } from "./explain.js";
import type { Explanation, StepName } from "./explanation.js";
import { serviceArgument } from "./service-argument.js";

const headings: Readonly<Record<StepName, string>> = {
  registry: "Registry",
  mapping: "Mapping: which applications provide it?",
  instances: "Instances of these applications",
  metadata: "Metadata: what do they offer?",
  service: "The service in it",
  endpoints: "Endpoints",
  connect: "Connect",
};

/** So many lines of a step are shown; `--json` has all. */
const maxLines = 20;

export async function runExplain(line: CommandLine, terminal: Terminal): Promise<number> {
  const [name, ...more] = line.positionals;
  if (name === undefined) throw new UsageError("explain needs a service, such as greet.GreetService", "explain");
  if (more.length > 0) throw new UsageError(`explain takes one service, not "${more[0]}" as well`, "explain");
  const ref = serviceArgument(name, line, "explain");
  await using session = new Session(line.common, terminal, "explain");
  const explanation = await explain(session, ref, { tls: line.common.tls, application: line.explain.application });
  if (line.common.json) terminal.out(jsonText(explanation, 2));
  else printExplanation(terminal, explanation);
  return explanation.callable ? 0 : 1;
}

export function printExplanation(terminal: Terminal, explanation: Explanation): void {
  for (const { name, lines } of explanation.steps) {
    terminal.out(bold(terminal, headings[name]));
    for (const { mark, text } of lines.slice(0, maxLines)) terminal.out(`  ${marked(terminal, mark, text)}`);
    if (lines.length > maxLines) terminal.out(`    and ${lines.length - maxLines} more (--json has all)`);
  }
  const { service, problem, endpoints } = explanation;
  const what = `${refName(service)} over ${service.protocol || "any protocol"}`;
  terminal.out("");
  if (problem === null) {
    const ready = endpoints.filter(({ excluded, probe }) => excluded === undefined && probe?.ok === true).length;
    terminal.out(marked(terminal, "ok", `${what} can be called: ${ready} of ${endpoints.length} endpoints`));
  } else {
    terminal.out(marked(terminal, "wrong", `${what} cannot be called. First wrong: ${problem.step}`));
    for (const text of problem.texts) terminal.out(`  ${marked(terminal, "plain", text)}`);
  }
}
