import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { systemClock } from "@dubhe/concurrency";
import { createMetadataInfo, MetadataStore } from "@dubhe/discovery";
import { decodeValue, encodeValue, type JavaObject, toPlain } from "@dubhe/hessian2";
import { Code, type DescribedService, RpcError } from "@dubhe/rpc";
import { rpcPair } from "@dubhe/testing";
import { MetadataServiceV2 } from "../../gen/metadata_service_v2_pb.js";
import { metadataService, metadataServiceV1 } from "./metadata-service.js";
import { MetadataServiceV1, type MetadataServiceV1Client } from "./metadata-service-v1.js";

const info = createMetadataInfo({
  app: "shop",
  services: [{ name: "greet.GreetService", group: "g", version: "1.0.0", port: 50_051, params: { methods: "greet" } }],
});

async function world() {
  const store = new MetadataStore(systemClock);
  store.put(info);
  const pair = await rpcPair();
  pair.server
    .add(MetadataServiceV1, metadataServiceV1(store), { group: "shop", version: "1.0.0" })
    .add(MetadataServiceV2, metadataService(store), { group: "shop", version: "2.0.0" });
  return pair;
}

const key = { group: "shop", version: "1.0.0" };
const args = [encodeValue(info.revision)];

test("V1: the object that dubbo-java and dubbo-go expect", async () => {
  await using pair = await world();
  const client = pair.client(MetadataServiceV1, key);
  for (const serializeType of ["hessian2", "hessian4"]) {
    const response = await client.getMetadataInfo({ serializeType, args, argTypes: ["java.lang.String"] });
    assert.equal(response.serializeType, serializeType);
    assert.equal(response.type, "org.apache.dubbo.metadata.MetadataInfo");
    const object = decodeValue(response.data) as JavaObject;
    assert.equal(object.className, "org.apache.dubbo.metadata.MetadataInfo");
    assert.deepEqual(Object.keys(object.fields), ["app", "revision", "services"]);
    const services = object.fields["services"] as Map<string, JavaObject>;
    assert.deepEqual([...services.keys()], ["g/greet.GreetService:1.0.0:tri"]);
    const [service] = services.values();
    assert.equal(service?.className, "org.apache.dubbo.metadata.MetadataInfo$ServiceInfo");
    assert.deepEqual(toPlain(service), {
      name: "greet.GreetService",
      group: "g",
      version: "1.0.0",
      protocol: "tri",
      port: 50_051,
      path: "greet.GreetService",
      params: { methods: "greet" },
    });
  }
});

const refused: readonly (readonly [what: string, request: object, code: Code, message: RegExp])[] = [
  ["another serialization", { serializeType: "fastjson2", args }, Code.Unimplemented, /serialised as "fastjson2"/],
  ["no argument", { serializeType: "hessian2", args: [] }, Code.InvalidArgument, /called with 0 arguments/],
  ["two arguments", { serializeType: "hessian2", args: [...args, ...args] }, Code.InvalidArgument, /with 2 arguments/],
  ["null", { serializeType: "hessian2", args: [encodeValue(null)] }, Code.InvalidArgument, /is no string/],
  ["garbage", { serializeType: "hessian2", args: [new Uint8Array([0x40])] }, Code.InvalidArgument, /unexpected 0x40/],
  [
    "an unknown revision",
    { serializeType: "hessian2", args: [encodeValue("r9")] },
    Code.NotFound,
    /no metadata of revision "r9"/,
  ],
];

for (const [what, request, code, message] of refused) {
  test(`V1 refuses ${what}`, async () => {
    await using pair = await world();
    await assert.rejects(pair.client(MetadataServiceV1, key).getMetadataInfo(request), (error) => {
      assert.ok(error instanceof RpcError);
      assert.equal(error.code, code);
      assert.match(error.message, message);
      return true;
    });
  });
}

test("what is said of an unknown revision fits into a header", async () => {
  const store = new MetadataStore(systemClock);
  for (let i = 0; i < 100; i++) store.put(createMetadataInfo({ app: "shop", services: [{ name: `a.B${i}` }] }));
  await using pair = await rpcPair();
  pair.server
    .add(MetadataServiceV1, metadataServiceV1(store), key)
    .add(MetadataServiceV2, metadataService(store), { group: "shop", version: "2.0.0" });
  const revision = "x".repeat(1_000_000);
  const request = { serializeType: "hessian2", args: [encodeValue(revision)] };
  const newest = store.revisions.slice(-3).join(", ");
  const message = new RegExp(`^no metadata of revision "x{80}…"; this process has ${newest} and 97 older ones$`);
  const refusal = (error: unknown) => {
    assert.ok(error instanceof RpcError);
    assert.match(error.rawMessage, message);
    return true;
  };
  await assert.rejects(pair.client(MetadataServiceV1, key).getMetadataInfo(request), refusal);
  const v2 = pair.client(MetadataServiceV2, { group: "shop", version: "2.0.0" });
  await assert.rejects(v2.getMetadataInfo({ revision }), refusal);
});

test("V1 says that it takes no JSON", async () => {
  await using pair = await world();
  const response = await fetchJson(pair.port, "/org.apache.dubbo.metadata.MetadataService/getMetadataInfo", "[]");
  assert.match(response, /called with hessian2 in protobuf, not with JSON/);
});

async function fetchJson(port: number, path: string, body: string): Promise<string> {
  const headers = { "content-type": "application/json" };
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { method: "POST", headers, body });
  return response.text();
}

test("both versions are found by both names: dubbo-go's and dubbo-java's", async () => {
  await using pair = await world();
  const renamed = (name: string): DescribedService<MetadataServiceV1Client> => ({
    ...MetadataServiceV1,
    methods: MetadataServiceV1.methods.map((method) => ({
      ...method,
      name,
      path: `/${method.service}/${name}`,
    })),
  });
  for (const name of ["getMetadataInfo", "GetMetadataInfo"]) {
    const client = pair.client(renamed(name), key);
    const { data } = await client.getMetadataInfo({ serializeType: "hessian2", args });
    assert.equal((decodeValue(data) as JavaObject).fields["revision"], info.revision);
    const body = JSON.stringify({ revision: info.revision });
    const path = `/org.apache.dubbo.metadata.MetadataServiceV2/${name}`;
    assert.equal(JSON.parse(await fetchJson(pair.port, path, body)).version, info.revision);
  }
});

test("what only V1 needs is imported when it is met, never before", () => {
  const dist = new URL("../", import.meta.url);
  const files = readdirSync(dist, { recursive: true }) as string[];
  const sources = files.filter((file) => file.endsWith(".js") && !file.endsWith(".test.js"));
  const texts = sources.map((file) => readFileSync(new URL(file, dist), "utf8"));
  assert.ok(texts.some((text) => text.includes('import("@dubhe/protocol-dubbo")')));
  for (const [i, text] of texts.entries()) {
    assert.doesNotMatch(text, /^\s*(?:import|export)\b[^;(]*["']@dubhe\/(?:hessian2|protocol-dubbo)["']/m, sources[i]);
  }
});
