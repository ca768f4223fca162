import assert from "node:assert/strict";
import { request as httpRequest } from "node:http";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { createRuntime } from "@dubhe/concurrency";
import { createRpcEnvironment, createServiceClient, DedicatedChannel } from "@dubhe/rpc";
import { withLeakCheck } from "@dubhe/testing";
import { BiRequestStream, type Payload, PayloadSchema, Request } from "../../gen/nacos_grpc_pb.js";
import type { JsonObject } from "../json.js";
import { OutboundQueue } from "../outbound-queue.js";
import { decodePayload, encodePayload } from "../payload.js";
import { HostServer } from "./host-server.js";

const scope = { namespace: "public", groupName: "g", serviceName: "s", module: "naming" };

test(
  "it answers no browser",
  withLeakCheck(async () => {
    const server = await HostServer.start(createRpcEnvironment(createRuntime()), {
      port: 0,
      pid: process.pid,
      startingMs: 0,
    });
    const url = `http://127.0.0.1:${server.port}/Request/request`;
    const post = { method: "POST", headers: { "content-type": "application/json" }, body: "{}" };
    await assert.rejects(
      new Promise((resolve, reject) => {
        httpRequest(url, { ...post, agent: false }, resolve)
          .on("error", reject)
          .end(post.body);
      }),
    );
    await server.close();
  }),
);

test(
  "a client that ends its stream keeps its registrations until its connection ends; unreadable bodies are answered",
  withLeakCheck(async () => {
    const runtime = createRuntime();
    const env = createRpcEnvironment(runtime);
    const server = await HostServer.start(env, { port: 0, pid: process.pid, startingMs: 0 });
    const clients = await Promise.all([0, 1].map(() => connect()));
    const [client, watcher] = clients;
    assert.ok(client !== undefined && watcher !== undefined);

    const instance = { ip: "h", port: 5, clusterName: "DEFAULT" };
    await client.ask("InstanceRequest", { ...scope, type: "registerInstance", instance });
    assert.equal((await watcher.ask("SubscribeServiceRequest", { ...scope, subscribe: true })).ports, 1);
    client.stream.end();
    for await (const push of client.pushes) assert.notEqual(push.metadata?.type, "ConnectResetRequest");
    assert.equal((await client.ask("HealthCheckRequest", {})).errorCode, 0, "the connection lives on");
    assert.equal((await watcher.ask("ServiceQueryRequest", scope)).ports, 1);

    const unreadable = create(PayloadSchema, {
      metadata: { type: "InstanceRequest" },
      body: { value: new TextEncoder().encode("{") },
    });
    assert.equal((await client.send(unreadable)).errorCode, 502);
    assert.equal((await client.send(create(PayloadSchema, { metadata: { type: "InstanceRequest" } }))).errorCode, 502);
    assert.equal((await client.send(create(PayloadSchema, {}))).errorCode, 302);

    await client.channel.close(100);
    // The next push is of the service without it.
    for (;;) {
      const push = await watcher.pushes.next();
      assert.ok(push.done !== true, "the stream of the watcher ended");
      const { type, body } = decodePayload(push.value);
      if (type === "NotifySubscriberRequest" && portCount(body) === 0) break;
    }
    watcher.stream.end();
    await watcher.channel.close(100);
    await server.close();

    async function connect() {
      const channel = new DedicatedChannel(runtime, { host: "127.0.0.1", port: server.port });
      const unary = createServiceClient(env, Request, channel);
      const stream = new OutboundQueue<Payload>();
      const pushes = createServiceClient(env, BiRequestStream, channel).requestBiStream(stream)[Symbol.asyncIterator]();
      stream.push(encodePayload("ConnectionSetupRequest", { labels: {}, abilityTable: {} }));
      const ack = await pushes.next();
      assert.equal(ack.done === true ? undefined : ack.value.metadata?.type, "SetupAckRequest");
      const send = async (payload: Payload) => {
        const { body } = decodePayload(await unary.request(payload));
        return { errorCode: body.errorCode, ports: portCount(body) };
      };
      const rest: AsyncIterableIterator<Payload> = {
        next: () => pushes.next(),
        [Symbol.asyncIterator]: () => rest,
      };
      return {
        channel,
        stream,
        pushes: rest,
        send,
        ask: (type: string, body: object) => send(encodePayload(type, body)),
      };
    }
  }),
);

function portCount(body: JsonObject): number | undefined {
  const info = body.serviceInfo as { readonly hosts: readonly unknown[] } | undefined;
  return info?.hosts.length;
}
