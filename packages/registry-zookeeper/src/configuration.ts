export { parseZookeeperUrl, type ZookeeperConfig, type ZookeeperTlsOptions, zookeeperId } from "./config.js";
export { ZookeeperConfigError } from "./errors.js";
