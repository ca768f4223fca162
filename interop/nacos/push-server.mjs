// As much of a Nacos server as one subscriber of one application needs; pushes lists on command. Usage: push-server.mjs HOSTS
import { create } from "@bufbuild/protobuf";
import { createRuntime } from "@dubhe/concurrency";
import { createRpcEnvironment, RpcServer } from "@dubhe/rpc";
import { BiRequestStream, PayloadSchema, Request } from "../../packages/registry-nacos/gen/nacos_grpc_pb.js";

const count = Number(process.argv[2]);
let stamp = Date.now();
const weights = Array.from({ length: count }, () => 100);
let listed = count;

/** A host as a 3.1 server writes those of dubbo-go: some 430 bytes. */
function host(n) {
  const ip = `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`;
  return {
    instanceId: `${ip}#20880#DEFAULT#DEFAULT_GROUP@@shop`,
    ip,
    port: 20880,
    weight: weights[n],
    healthy: true,
    enabled: true,
    ephemeral: true,
    clusterName: "DEFAULT",
    serviceName: "DEFAULT_GROUP@@shop",
    metadata: {
      "dubbo.endpoints": '[{"port":20880,"protocol":"tri"}]',
      "dubbo.metadata.revision": "44ca70c86561483beed148ddb02b048d",
      "dubbo.metadata.storage-type": "local",
      timestamp: String(1795413250298 + n),
    },
    instanceHeartBeatInterval: 5000,
    instanceHeartBeatTimeOut: 15000,
    ipDeleteTimeout: 30000,
  };
}

const serviceInfo = () => ({
  name: "shop",
  groupName: "DEFAULT_GROUP",
  clusters: "",
  cacheMillis: 10000,
  hosts: Array.from({ length: listed }, (_, n) => host(n)),
  lastRefTime: ++stamp,
  checksum: "",
  allIps: false,
  reachProtectionThreshold: false,
  valid: true,
});
const payload = (type, body) =>
  create(PayloadSchema, { metadata: { type }, body: { value: new TextEncoder().encode(JSON.stringify(body)) } });
const ok = { resultCode: 200, errorCode: 0, success: true };
const answers = {
  ServerCheckRequest: () => ["ServerCheckResponse", { ...ok, connectionId: "1", supportAbilityNegotiation: true }],
  HealthCheckRequest: () => ["HealthCheckResponse", ok],
  SubscribeServiceRequest: () => ["SubscribeServiceResponse", { ...ok, serviceInfo: serviceInfo() }],
  ServiceQueryRequest: () => ["QueryServiceResponse", { ...ok, serviceInfo: serviceInfo() }],
  ConfigBatchListenRequest: () => ["ConfigChangeBatchListenResponse", { ...ok, changedConfigs: [] }],
};

let push = () => undefined;
const server = new RpcServer(createRpcEnvironment(createRuntime()));
server.add(Request, {
  request({ metadata }) {
    const [type, body] = answers[metadata.type]?.() ?? ["ErrorResponse", { resultCode: 500, errorCode: 302 }];
    return payload(type, body);
  },
});
server.add(BiRequestStream, {
  async *requestBiStream(requests) {
    const queue = [payload("SetupAckRequest", { headers: {}, abilityTable: {}, module: "internal" })];
    let wake = () => undefined;
    push = (body) => {
      queue.push(payload("NotifySubscriberRequest", body));
      wake();
    };
    void (async () => {
      for await (const _ of requests);
    })().catch(() => undefined);
    for (;;) {
      const next = queue.shift();
      if (next !== undefined) yield next;
      else
        await new Promise((resolve) => {
          wake = resolve;
        });
    }
  },
});
const { port } = await server.listen({ host: "127.0.0.1", port: 0 });
process.send({ kind: "ready", port });
process.on("message", ({ what }) => {
  if (what === "end") process.exit(0);
  if (what === "removed") listed = listed === count ? count - 10 : count;
  const changed = { "one weight": 1, "a tenth": count / 10, all: count }[what] ?? 0;
  for (let n = 0; n < changed; n++) weights[(n * 7919) % count] += 1;
  push({ headers: {}, requestId: "7", serviceInfo: serviceInfo(), module: "naming" });
});
process.on("disconnect", () => process.exit(0));
