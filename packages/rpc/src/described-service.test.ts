// The seam for services that are not protobuf's; @dubhe/non-idl is what uses it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { EchoService, echoHandlers, rpcPair, withLeakCheck } from "@dubhe/testing";
import { ServerReflection } from "../gen/grpc/reflection/v1/reflection_pb.js";
import type { CallOptions } from "./call-options.js";
import { Code } from "./code.js";
import type { MessageCodec } from "./codec/message-codec.js";
import type { DescribedService } from "./described-service.js";
import { type MethodInfo, methodsOf } from "./method.js";
import { addReflection } from "./reflection/add-reflection.js";
import { RpcError } from "./rpc-error.js";

const text: MessageCodec = {
  encode: (message) => Buffer.from(message instanceof Oops ? `oops ${message.message}` : String(message ?? "null")),
  decode: (bytes, _owned, start, end) => {
    const decoded = Buffer.from(bytes.subarray(start, end)).toString();
    return decoded === "null" ? null : decoded;
  },
};

class Oops extends Error {}

const call: MethodInfo = {
  service: "acme.Text",
  name: "call",
  localName: "call",
  kind: "unary",
  path: "/acme.Text/call",
  requestStream: false,
  responseStream: false,
  request: text,
  response: text,
  desc: undefined,
  description: {
    json: { request: text, response: text },
    serialization: "proto",
    clientMethod: (run) => (first: string, second: string, options?: CallOptions) => run(`${first} ${second}`, options),
    thrown: {
      read: (response, headers) =>
        headers.includes("x-oops") ? new RpcError(String(response), Code.Aborted, { source: "peer" }) : undefined,
      write: (error) => (error instanceof Oops ? { message: error, headers: ["x-oops", "1"] } : undefined),
    },
  },
};

interface TextClient {
  call(first: string, second: string, options?: CallOptions): Promise<string | null>;
}
interface TextImpl {
  answer(request: string): string | null;
}

const Text: DescribedService<TextClient, TextImpl> = {
  kind: "described",
  typeName: "acme.Text",
  methods: [call],
  routes: (impl) => [{ method: call, handler: (request) => impl.answer(request as string) }],
};

const impl: TextImpl = {
  answer(request) {
    if (request === "fail now") throw new Oops("now");
    if (request === "no way") throw new RpcError("no way", Code.PermissionDenied);
    return request === "say nothing" ? null : request.toUpperCase();
  },
};

test("methodsOf gives its own methods", () => {
  assert.equal(methodsOf(Text), Text.methods);
});

for (const options of [
  {},
  { unary: "triple" },
  { serialization: "json" },
  { compression: "gzip", compressMinBytes: 0 },
] as const) {
  test(
    `calls, null and statuses with ${JSON.stringify(options)}`,
    withLeakCheck(async () => {
      await using pair = await rpcPair();
      pair.server.add(Text, impl);
      const client = pair.client(Text, options);
      assert.equal(await client.call("a", "b"), "A B");
      assert.equal(await client.call("say", "nothing"), null);
      const denied = (error: RpcError): boolean =>
        error.code === Code.PermissionDenied && error.rawMessage === "no way";
      await assert.rejects(client.call("no", "way"), denied);
    }),
  );
}

test(
  "an error that travels as a message: status OK on the wire, a failed call on both sides",
  withLeakCheck(async () => {
    const heard: unknown[] = [];
    await using pair = await rpcPair({ server: { onHandlerError: (error) => heard.push(error) } });
    pair.server.add(Text, impl);
    let status: string | null | undefined;
    const thrown = (error: RpcError): boolean => {
      assert.equal(error.code, Code.Aborted);
      assert.equal(error.rawMessage, "oops now");
      assert.equal(error.attempts.length, 1);
      return true;
    };
    const onTrailers: CallOptions["onTrailers"] = (trailers) => {
      status = trailers.get("grpc-status");
    };
    await assert.rejects(pair.client(Text).call("fail", "now", { onTrailers }), thrown);
    assert.equal(status, "0");
    await assert.rejects(pair.client(Text, { compression: "gzip", compressMinBytes: 0 }).call("fail", "now"), thrown);
    await assert.rejects(pair.client(Text, { unary: "triple" }).call("fail", "now"), thrown);
    assert.equal(pair.server.counters.callsFailed, 3);
    assert.deepEqual(heard, []);
    // JSON is for everybody: they get a status, and the server hears of it.
    await assert.rejects(pair.client(Text, { serialization: "json" }).call("fail", "now"), (error: RpcError) => {
      return error.code === Code.Unknown && error.rawMessage === "now";
    });
    assert.equal(heard.length, 1);
  }),
);

test(
  "reflection lists protobuf's services only",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    pair.server.add(Text, impl).add(EchoService, echoHandlers());
    addReflection(pair.server);
    const client = pair.client(ServerReflection);
    const requests = [{ messageRequest: { case: "listServices" as const, value: "" } }];
    for await (const { messageResponse } of client.serverReflectionInfo(requests)) {
      assert(messageResponse.case === "listServicesResponse");
      const names = messageResponse.value.service.map(({ name }) => name);
      assert(names.includes(EchoService.typeName));
      assert(!names.includes("acme.Text"));
    }
  }),
);
