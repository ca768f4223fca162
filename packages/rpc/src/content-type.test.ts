import assert from "node:assert/strict";
import { test } from "node:test";
import { parseContentType } from "./content-type.js";

test("protobuf in gRPC framing, with parameters and in any case", () => {
  assert.equal(parseContentType("application/grpc"), "application/grpc");
  assert.equal(parseContentType("application/grpc+proto"), "application/grpc+proto");
  assert.equal(parseContentType("Application/gRPC+Proto; charset=utf-8"), "application/grpc+proto");
});

test("nothing else", () => {
  for (const other of [
    undefined,
    "",
    "application/json",
    "application/grpc+json",
    "application/grpc-web",
    "application/grpcx",
    "text/html; application/grpc",
  ]) {
    assert.equal(parseContentType(other), undefined, other);
  }
});
