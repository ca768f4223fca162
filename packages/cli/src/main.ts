#!/usr/bin/env node
import { runCli } from "./cli.js";
import { processTerminal } from "./terminal.js";

const { terminal, dispose } = processTerminal();
try {
  const code = await runCli(process.argv.slice(2), terminal);
  // A result that could not be written has set it.
  process.exitCode ??= code;
} finally {
  dispose();
}
