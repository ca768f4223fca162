import { createRuntime } from "@dubhe/concurrency";
import { createInstance } from "@dubhe/discovery";
import { etcdRegistry, parseEtcdUrl } from "@dubhe/registry-etcd";

/** A client that ends with the trial. */
export function open(trial, url) {
  const registry = etcdRegistry(createRuntime(), parseEtcdUrl(url));
  trial.onEnd(() => registry.close());
  return registry;
}

export const instance = (port, metadata = {}) =>
  createInstance({ application: "shop", host: "10.0.0.1", port, metadata });

export const keyOf = (port) => `/services/shop/10.0.0.1:${port}`;

export const confirmed = (...wishes) => wishes.every(({ state }) => state.value === "confirmed");

export const said = (registry) => () => JSON.stringify(registry.inspect());
