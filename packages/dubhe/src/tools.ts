/**
 * `dubhe/tools`: for programs that look at registries and providers as an App would, such as the `dubhe` command. Less stable
 * than the rest.
 */
export { type AdvertisedAddress, type AdvertiseInput, advertisedAddress } from "./advertised-address.js";
export { providerTarget } from "./app-tls.js";
export { ClientTlsSources, type TlsOptions } from "./client-tls.js";
export { MetadataClient } from "./metadata/metadata-fetcher.js";
export { parseMigrationRule } from "./migration-rule.js";
export { type ConfiguredRegistry, configureRegistries, type RegistryServer } from "./registry-config.js";
