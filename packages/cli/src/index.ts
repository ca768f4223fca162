export { runCli } from "./cli.js";
export type { Explanation, Problem, Step, StepName } from "./explain/explanation.js";
export type { ProbeResult } from "./probe/probe-result.js";
export type { Terminal } from "./terminal.js";
