// A process that uses a registry, and ends when its own work has: node leave.mjs URL close|stay
import { createRuntime } from "@dubhe/concurrency";
import { parseZookeeperUrl, zookeeperRegistry } from "@dubhe/registry-zookeeper";
import { confirmed, instance } from "./bench.mjs";

const [url, way] = process.argv.slice(2);
const registry = zookeeperRegistry(createRuntime(), parseZookeeperUrl(url));
registry.watch("shop", () => {});
await confirmed(registry.register(instance(1, {}, "leaving")));
if (way === "close") await registry.close();
