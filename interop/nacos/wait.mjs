import { systemClock } from "@dubhe/concurrency";

export const pause = (ms) =>
  new Promise((resolve) => {
    systemClock.setTimeout(resolve, ms, { ref: true });
  });

/** Resolves with the milliseconds that it took; fails with what `what` says. */
export async function until(predicate, what, limitMs) {
  const start = systemClock.now();
  while (!predicate()) {
    if (systemClock.now() - start > limitMs) throw new Error(`${limitMs} ms passed without ${what()}`);
    await pause(20);
  }
  return Math.round(systemClock.now() - start);
}

/** The last list of ports of an application, and how often an error came. */
export function watchPorts(registry, application) {
  const seen = { ports: undefined, errors: [], lists: 0 };
  registry.watch(application, (event) => {
    if (event.kind === "error") return seen.errors.push(event.error.message);
    seen.lists += 1;
    seen.ports = event.instances.map(({ port }) => port).sort((a, b) => a - b);
  });
  return seen;
}
