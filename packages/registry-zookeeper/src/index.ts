export * from "./configuration.js";
export { ConnectionLossError, RequestTooLargeError, SessionLostError, ZookeeperError } from "./errors.js";
export { ForeignOwnerError } from "./owned-nodes.js";
export { type ZookeeperRegistry, type ZookeeperRegistryOptions, zookeeperRegistry } from "./zookeeper.js";
