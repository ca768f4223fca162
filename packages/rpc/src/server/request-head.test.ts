import assert from "node:assert/strict";
import { test } from "node:test";
import { EchoService, echoHandlers } from "@dubhe/testing";
import fc from "fast-check";
import { requestHead } from "./request-head.js";
import { Router } from "./router.js";

const router = new Router();
router.add(EchoService, echoHandlers());
const path = `/${EchoService.typeName}/Look`;
const block = (...fields: string[]) => ({ fields, memo: undefined as unknown });

test("a block is judged once for a router, and again when its services change", () => {
  const other = new Router();
  const one = block(":method", "POST", ":path", path, "content-type", "application/json");
  const head = requestHead(one, other);
  assert.equal(head.kind, "status");
  assert.equal(requestHead(one, other), head);
  other.add(EchoService, echoHandlers());
  const call = requestHead(one, other);
  assert.equal(call.kind, "call");
  assert.equal(requestHead(one, other), call);
  assert.notEqual(requestHead(one, router), call);
});

test("gRPC looks at its own headers, the rest at HTTP's", () => {
  const both = ["grpc-timeout", "1S", "connect-timeout-ms", "7", "grpc-encoding", "br", "content-encoding", "gzip"];
  const of = (type: string) =>
    requestHead(block(":method", "POST", ":path", `${path}?x`, "content-type", type, ...both), router);
  const grpc = of("application/grpc");
  const plain = of("application/json");
  assert.ok(grpc.kind === "call" && plain.kind === "call");
  assert.deepEqual([grpc.timeoutMs, grpc.encoding], [1_000, "br"]);
  assert.deepEqual([plain.timeoutMs, plain.encoding], [7, "gzip"]);
  const java = requestHead(
    block(":method", "POST", ":path", path, "content-type", "application/json", "grpc-timeout", "3S"),
    router,
  );
  assert.equal(java.kind === "call" && java.timeoutMs, 3_000);
});

test("whatever comes is a call or a refusal", () => {
  const names = [":method", ":path", "content-type", "grpc-timeout", "connect-timeout-ms", "connect-protocol-version"];
  const more = ["content-encoding", "accept-encoding", "grpc-encoding", "content-length", "tri-service-group", "x"];
  const values = [
    "POST",
    "GET",
    path,
    `${path}?encoding=json&message=%7B%7D`,
    "application/grpc",
    "application/json",
    "1",
    "gzip;q=0,*",
  ];
  const name = fc.oneof(fc.constantFrom(...names, ...more), fc.string());
  const value = fc.oneof(fc.constantFrom(...values), fc.string());
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value)), (fields) => {
      const head = requestHead(block(...fields.flat()), router);
      assert.ok(["call", "http", "status"].includes(head.kind));
    }),
  );
});
