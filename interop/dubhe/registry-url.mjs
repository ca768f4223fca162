// The registry's URL with the peers' word for the level of discovery in Dubhe's.
const LEVELS = { instance: "service", interface: "interface", all: "all" };

export function registryUrl({ registry, "register-mode": mode }) {
  if (mode === undefined) return registry;
  return `${registry}${registry.includes("?") ? "&" : "?"}registry-type=${LEVELS[mode]}`;
}
