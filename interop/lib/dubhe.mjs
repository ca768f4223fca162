// The Dubhe programs of interop/dubhe, as children of a trial.
import { join } from "node:path";
import { interop } from "./peers.mjs";

const flagsOf = (options) =>
  Object.entries(options).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, String(value)]));

/** Starts a provider; resolves once it serves and is registered. */
export async function startProvider(trial, name, options) {
  const program = join(interop, "dubhe", "provider.mjs");
  const child = trial.start(name, process.execPath, ["--enable-source-maps", program, ...flagsOf(options)], {
    input: "pipe",
  });
  const port = Number((await child.waitFor(/^READY (\d+)/m, 30_000))[1]);
  return { child, port };
}

/** Starts a consumer, which ends by itself. */
export function startConsumer(trial, name, options) {
  const program = join(interop, "dubhe", "consumer.mjs");
  return trial.start(name, process.execPath, ["--enable-source-maps", program, ...flagsOf(options)]);
}
