export {
  type NacosConfig,
  type NacosConfigInit,
  type NacosTlsOptions,
  nacosConfig,
  parseNacosUrl,
  registryId,
} from "./config.js";
export { EMBEDDED_PORT, type EmbeddedConfig, embeddedConfig, parseEmbeddedUrl } from "./embedded/config.js";
export { type EmbeddedRegistryExtras, embeddedRegistry } from "./embedded/embedded.js";
export { ForeignPortError } from "./embedded/embedded-transport.js";
export { HostServer, type HostServerOptions } from "./embedded/host-server.js";
export type { HostStarter } from "./embedded/host-starter.js";
export { NacosConfigError, NacosError, NacosUnavailableError } from "./errors.js";
export type { NacosEvent, NacosEventListener } from "./events.js";
export { NacosLoginError } from "./login.js";
export { type NacosRegistryExtras, nacosRegistry } from "./nacos.js";
export { NacosRegistry } from "./nacos-registry.js";
export type { SessionCounters } from "./session.js";
export type { SessionState } from "./session-state.js";
export { redactUrl } from "./url.js";
