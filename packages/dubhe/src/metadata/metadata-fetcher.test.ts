import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { type TestContext, test } from "node:test";
import { systemClock } from "@dubhe/concurrency";
import { createInstance, createMetadataInfo, type MetadataInfo, MetadataKey, MetadataStore } from "@dubhe/discovery";
import * as hessian from "@dubhe/hessian2";
import { leakCheck, rpcPair, testCertificate } from "@dubhe/testing";
import { MetadataServiceV2 } from "../../gen/metadata_service_v2_pb.js";
import type { ProviderTarget } from "../app-tls.js";
import { toJava } from "./java-metadata.js";
import { MetadataClient } from "./metadata-fetcher.js";
import { metadataService, metadataServiceV1 } from "./metadata-service.js";
import { MetadataServiceV1 } from "./metadata-service-v1.js";

const info = createMetadataInfo({
  app: "shop",
  services: [
    { name: "greet.GreetService", port: 50_051, params: { methods: "greet,chat" } },
    { name: "com.foo.Greeter", group: "g", version: "1.0.0", protocol: "dubbo", port: 20_880 },
  ],
  tag: "gray",
});

function answerTo(request: Buffer, result: unknown): Buffer {
  const values = result === null ? [5, {}, null] : [4, result, {}, null];
  const body = Buffer.concat(values.map((one) => hessian.encodeValue(one)));
  const header = Buffer.from(request.subarray(0, 16));
  header[2] = 2;
  header[3] = 20;
  header.writeUInt32BE(body.length, 12);
  return Buffer.concat([header, body]);
}

/** What a call is answered with; undefined: it never is. */
type DubboAnswer = (revision: string) => unknown;

function revisionIn(request: Buffer): string {
  const reader = new hessian.HessianReader(request.subarray(16));
  for (let i = 0; i < 5; i++) reader.read();
  return reader.read() as string;
}

/** A provider's dubbo port, which answers as dubbo-go does, with a null behind the value. */
async function dubboPort(
  t: TestContext,
  answer: DubboAnswer,
): Promise<{ port: number; calls: Buffer[]; accepted: number }> {
  const calls: Buffer[] = [];
  const server = createServer((socket) => {
    state.accepted++;
    socket.on("error", () => undefined);
    let bytes = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      while (bytes.length >= 16 && bytes.length >= 16 + bytes.readUInt32BE(12)) {
        const end = 16 + bytes.readUInt32BE(12);
        calls.push(bytes.subarray(0, end));
        const value = answer(revisionIn(bytes.subarray(0, end)));
        if (value !== undefined) socket.write(answerTo(bytes, value));
        bytes = bytes.subarray(end);
      }
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const state = { port: (server.address() as AddressInfo).port, calls, accepted: 0 };
  t.after(() => server.close());
  return state;
}

interface World {
  /** Ports of a Triple server and of a dubbo server. */
  readonly ports: { readonly tri: number; readonly dubbo: number };
  readonly dubbo: { readonly calls: Buffer[]; readonly accepted: number };
  readonly client: MetadataClient;
  readonly served: string[];
  fetch(metadata: Record<string, string>, revision?: string, signal?: AbortSignal): Promise<MetadataInfo>;
}

async function world(
  t: TestContext,
  answer: DubboAnswer = () => toJava(hessian, info),
  target?: ProviderTarget,
): Promise<World> {
  leakCheck(t);
  const pair = await rpcPair();
  t.after(() => pair[Symbol.asyncDispose]());
  const dubbo = await dubboPort(t, answer);
  const store = new MetadataStore(systemClock);
  store.put(info);
  const served: string[] = [];
  const v1 = metadataServiceV1(store);
  const v2 = metadataService(store);
  pair.server.add(
    MetadataServiceV1,
    {
      getMetadataInfo(request) {
        served.push("V1");
        return v1.getMetadataInfo(request);
      },
    },
    { group: "shop", version: "1.0.0" },
  );
  pair.server.add(
    MetadataServiceV2,
    {
      getMetadataInfo(request, context) {
        served.push("V2");
        return v2.getMetadataInfo?.(request, context) as never;
      },
    },
    { group: "shop", version: "2.0.0" },
  );
  const client = new MetadataClient(pair.env, pair.pool, target ?? (({ host, port }) => ({ host, port })));
  t.after(() => client.close());
  return {
    ports: { tri: pair.port, dubbo: dubbo.port },
    dubbo,
    client,
    served,
    fetch: (metadata, revision = info.revision, signal = new AbortController().signal) =>
      client.fetch(createInstance({ application: "shop", host: "127.0.0.1", port: 1, metadata }), revision, signal),
  };
}

const announce = (params: unknown, metadataVersion?: string): Record<string, string> => ({
  [MetadataKey.metadataServiceParams]: typeof params === "string" ? params : JSON.stringify(params),
  ...(metadataVersion === undefined ? undefined : { [MetadataKey.metadataVersion]: metadataVersion }),
});

/** What peers announce, and what they serve for it. */
const choices: readonly (readonly [
  who: string,
  protocol: "tri" | "dubbo",
  version: string,
  metaV: string | undefined,
  served: string,
])[] = [
  ["dubbo-go 3.3 with metadata over Triple, Dubhe", "tri", "1.0.0", "2.0.0", "V2"],
  ["dubbo-java 3.3", "tri", "2.0.0", "2.0.0", "V2"],
  ["dubbo-java 3.0 to 3.2 with Triple only", "tri", "1.0.0", undefined, "V1"],
  ["dubbo-go of old with metadata over Triple", "tri", "1.0.0", "1.0.0", "V1"],
  ["dubbo-go 3.3.2 untouched", "dubbo", "1.0.0", "1.0.0", "dubbo"],
  ["dubbo-java 3.0 to 3.2", "dubbo", "1.0.0", undefined, "dubbo"],
  ["dubbo-go 3.3.0 untouched: V2 announced with the wrong protocol", "dubbo", "1.0.0", "2.0.0", "dubbo"],
];

for (const [who, protocol, version, metaV, expected] of choices) {
  test(`${who}: ${protocol}, meta-v ${metaV ?? "none"} is asked by ${expected}`, async (t) => {
    const { ports, dubbo, fetch, served } = await world(t);
    assert.deepEqual(await fetch(announce({ port: String(ports[protocol]), protocol, version }, metaV)), info);
    assert.deepEqual([served, dubbo.calls.length], expected === "dubbo" ? [[], 1] : [[expected], 0]);
  });
}

// D-44: dubbo-go made a nil URL of such.
const broken: readonly (readonly [what: string, params: string | undefined, reason: RegExp])[] = [
  ["missing", undefined, /no dubbo\.metadata-service\.url-params/],
  ["empty", "", /no dubbo\.metadata-service\.url-params/],
  ["no JSON", "{port:1", /is not a JSON object/],
  ["a list", "[1]", /is not a JSON object/],
  ["null", "null", /is not a JSON object/],
  ["without a port", '{"protocol":"tri"}', /names no port/],
  ["with port 0", '{"protocol":"tri","port":"0"}', /names no port/],
  ["with a port beyond 65535", '{"protocol":"tri","port":"65536"}', /names no port/],
  ["with a port in words", '{"protocol":"tri","port":"http"}', /names no port/],
  ["without a protocol", '{"port":"20880"}', /names no protocol/],
  ["with an empty protocol", '{"port":"20880","protocol":""}', /names no protocol/],
  ["with another protocol", '{"port":"20880","protocol":"rest"}', /over rest; it can be read over tri and dubbo/],
];

test("broken url-params: each fails with its reason, and the others are served", async (t) => {
  const { ports, dubbo, fetch, served } = await world(t);
  for (const [what, params, reason] of broken) {
    const metadata = params === undefined ? {} : announce(params, "2.0.0");
    await assert.rejects(fetch(metadata), (error: Error) => {
      assert.match(error.message, /^127\.0\.0\.1:1|shop/, what);
      assert.match(error.message, reason, what);
      return true;
    });
  }
  assert.deepEqual([served, dubbo.accepted], [[], 0]);
  // A port that is a number, which JSON of others has.
  assert.deepEqual(await fetch(announce({ port: ports.tri, protocol: "tri" }, "2.0.0")), info);
});

test("an answer as JSON text, as some versions of dubbo-java give it", async (t) => {
  const services = { x: { name: "a.B", protocol: "tri", port: -1, params: null } };
  const { ports, fetch } = await world(t, () => JSON.stringify({ app: "old", revision: "r", services }));
  const read = await fetch(announce({ port: ports.dubbo, protocol: "dubbo" }));
  assert.equal(read.revision, "r");
  assert.deepEqual(
    read.services.map(({ name, protocol, port, path }) => ({ name, protocol, port, path })),
    [{ name: "a.B", protocol: "tri", port: 0, path: "a.B" }],
  );
});

const noMetadata: readonly (readonly [what: string, value: unknown, reason: RegExp])[] = [
  ["null", null, /no metadata of revision/],
  ["a number", 5, /answers with a number, not with metadata/],
  ["a list", [], /answers with a list, not with metadata/],
  ["text that is no JSON", "oops", /metadata is not JSON/],
  ["an object of Java that is a number", hessian.javaBigInteger(5n), /answers with a java\.math\.BigInteger, not with/],
];

for (const [what, value, reason] of noMetadata) {
  test(`an answer that is no metadata: ${what}`, async (t) => {
    const { ports, fetch } = await world(t, () => value);
    await assert.rejects(fetch(announce({ port: ports.dubbo, protocol: "dubbo" })), reason);
  });
}

test("a revision that the provider does not know", async (t) => {
  const { ports, fetch } = await world(t);
  for (const metaV of ["1.0.0", "2.0.0"]) {
    await assert.rejects(
      fetch(announce({ port: ports.tri, protocol: "tri" }, metaV), "other"),
      /no metadata of revision "other"; this process has/,
    );
  }
});

test("a thousand fetches take one socket per address", async (t) => {
  const { ports, dubbo, fetch } = await world(t);
  const metadata = announce({ port: ports.dubbo, protocol: "dubbo" });
  for (let round = 0; round < 10; round++) await Promise.all(Array.from({ length: 100 }, () => fetch(metadata)));
  assert.equal(dubbo.accepted, 1);
});

test("over TLS nothing is asked in clear text", async (t) => {
  const { cert: ca } = testCertificate;
  const { ports, dubbo, fetch } = await world(t, undefined, ({ host, port }) => ({ host, port, tls: { ca } }));
  await assert.rejects(fetch(announce({ port: ports.dubbo, protocol: "dubbo" })), /asked in clear text only.*uses TLS/);
  assert.equal(dubbo.accepted, 0);
});

test("a revision that a peer never answers for holds up no other, and its end nobody else", async (t) => {
  const { ports, dubbo, fetch } = await world(t, (revision) =>
    revision === "silent" ? undefined : toJava(hessian, { ...info, revision }),
  );
  const metadata = announce({ port: ports.dubbo, protocol: "dubbo" });
  const [one, other] = [new AbortController(), new AbortController()];
  const silent = [one, other].map((controller) => fetch(metadata, "silent", controller.signal));
  const answers = await Promise.all(["r1", "r2", "r3"].map((revision) => fetch(metadata, revision)));
  assert.deepEqual(
    answers.map(({ revision }) => revision),
    ["r1", "r2", "r3"],
  );
  one.abort(new DOMException("no answer within 1500 ms", "TimeoutError"));
  await assert.rejects(silent[0] as Promise<unknown>, { name: "TimeoutError" });
  assert.equal((await fetch(metadata, "r4")).revision, "r4");
  const still = Symbol("still waiting");
  assert.equal(await Promise.race([silent[1], Promise.resolve(still)]), still);
  other.abort(new Error("enough"));
  await assert.rejects(silent[1] as Promise<unknown>, /enough/);
  assert.equal(dubbo.accepted, 1);
});

test("closed in the moment of a fetch: it fails, and nothing is connected anew", async (t) => {
  const { ports, dubbo, client, fetch } = await world(t);
  const metadata = announce({ port: ports.dubbo, protocol: "dubbo" });
  await fetch(metadata);
  // The connection lingers, so this fetch has it already when the client closes, in one of these moments.
  const late: Promise<unknown>[] = [];
  for (let turn = 0; turn < 10; turn++) {
    late.push(fetch(metadata));
    await Promise.resolve();
  }
  const closed = client.close();
  for (const one of await Promise.allSettled(late)) assert.equal(one.status, "rejected");
  await closed;
  assert.equal(dubbo.accepted, 1);
});

test("an aborted fetch ends at once, and so does one after close", async (t) => {
  const { ports, client } = await world(t, () => toJava(hessian, info));
  const metadata = announce({ port: ports.dubbo, protocol: "dubbo" });
  const instance = createInstance({ application: "shop", host: "127.0.0.1", port: 1, metadata });
  const controller = new AbortController();
  controller.abort(new Error("enough"));
  await assert.rejects(client.fetch(instance, info.revision, controller.signal), /enough/);
  await client.close();
  await assert.rejects(client.fetch(instance, info.revision, new AbortController().signal), { name: "ClosedError" });
});
