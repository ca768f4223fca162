/**
 * `@dubhe/registry-nacos/config`: checking URLs without loading the registries themselves. `createApp` checks at once, and
 * loads when a client is called or a server started.
 */
export { type NacosConfig, parseNacosUrl, registryId } from "./config.js";
export { type EmbeddedConfig, embeddedId, parseEmbeddedUrl, refuseInProduction } from "./embedded/config.js";
export { redactUrl } from "./url.js";
