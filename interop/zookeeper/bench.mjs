// What the parts share: registries that end with the trial, and what they have seen.
import { createInstance } from "@dubhe/discovery";
import { until } from "../nacos/wait.mjs";
import { openRegistry } from "./client.mjs";

export { pause, until, watchPorts } from "../nacos/wait.mjs";

/** Opens registries that close with the trial. */
export function opener(trial, url) {
  return (parameters = "", options) => {
    const client = openRegistry(`${url}${parameters}`, options);
    trial.onEnd(() => client.registry.close());
    return client;
  };
}

export function instance(port, metadata = {}, application = "shop") {
  return createInstance({ application, host: "10.0.0.1", port, metadata });
}

export const confirmed = (registration, limitMs = 10_000) =>
  until(
    () => registration.state.value === "confirmed",
    () => `confirmation; it is ${registration.state.value}: ${registration.error?.message}`,
    limitMs,
  );

export const healthy = (registry, state, limitMs) =>
  until(
    () => registry.health.value.state === state,
    () => `being ${state}; it is ${registry.health.value.state}: ${registry.health.value.error?.message}`,
    limitMs,
  );

/** The ports that a watcher shows. */
export const shows = (seen, ports, limitMs = 10_000) =>
  until(
    () => JSON.stringify(seen.ports) === JSON.stringify(ports),
    () => `showing ${ports}; it shows ${seen.ports}`,
    limitMs,
  );

export const sessionOf = (registry) => registry.inspect().session;

/** A number that the server counts. */
export async function counted(server, key) {
  const mntr = await server.ask("mntr");
  return Number(new RegExp(`^zk_${key}\\s+(\\d+)`, "m").exec(mntr)?.[1] ?? Number.NaN);
}
