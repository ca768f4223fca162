// A provider that can be suspended: registers one instance until its stdin closes.
// Usage: node provider.mjs <url> <port>
import { once } from "node:events";
import { createRuntime } from "@dubhe/concurrency";
import { etcdRegistry, parseEtcdUrl } from "@dubhe/registry-etcd";
import { instance } from "./open.mjs";

const [url, port] = process.argv.slice(2);
const registry = etcdRegistry(createRuntime(), parseEtcdUrl(url));
const registration = registry.register(instance(Number(port)));
registration.state.subscribe((state) => console.log(state));
await once(process.stdin.resume(), "end");
await registry.close();
console.log("closed");
