export {
  type EtcdConfig,
  type EtcdConfigInit,
  type EtcdEndpoint,
  type EtcdTlsOptions,
  etcdConfig,
  etcdId,
  parseEtcdUrl,
} from "./config.js";
export type { EtcdCounters } from "./counters.js";
export { EtcdConfigError, EtcdLoginError, EtcdRefusedError, EtcdUnavailableError } from "./errors.js";
export { EtcdRegistry, type EtcdRegistryExtras, etcdRegistry } from "./etcd-registry.js";
export { redactUrl } from "./url.js";
