/** `@dubhe/registry-etcd/config`: checking URLs without loading the registry itself. */
export { type EtcdConfig, etcdId, parseEtcdUrl } from "./config.js";
