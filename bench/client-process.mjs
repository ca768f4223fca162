// The client of one cell, in its own process. Tells the command over IPC when the measured window begins and ends, then
// the result. Usage: client-process.mjs SUBJECT SCENARIO TARGET-JSON BUDGET-JSON
import { runClosedLoop } from "./lib/closed-loop.mjs";
import { scenarioNamed } from "./scenarios.mjs";
import { seen } from "./subjects/subject.mjs";

const [name, scenarioName, target, budget] = process.argv.slice(2);
process.on("disconnect", () => process.exit());

const { connect } = await import(`./subjects/${name}/client.mjs`);
const subject = await connect(JSON.parse(target));
const result = await runClosedLoop(scenarioNamed(scenarioName), subject, JSON.parse(budget), (edge) => {
  process.send({ kind: "edge", edge });
});
if (seen.started < result.calls && scenarioName !== "ping-pong") {
  result.errors++;
  result.firstError ??= "the interceptor has not seen every call";
}
process.send({ kind: "result", result }, () => process.exit());
