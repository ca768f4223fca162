#!/usr/bin/env node
import { runCli } from "./cli.js";
import { processTerminal } from "./terminal.js";

const { terminal, dispose } = processTerminal();
try {
  process.exitCode = await runCli(process.argv.slice(2), terminal);
} finally {
  dispose();
}
