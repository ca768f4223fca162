import assert from "node:assert/strict";
import { test } from "node:test";
import { bodyType, parseContentType, streamBodies, unaryBodies } from "./content-type.js";

const parsed = (value: string | undefined): string | undefined => parseContentType(value)?.contentType;

test("gRPC's framing and none, protobuf and JSON, with parameters and in any case", () => {
  for (const type of ["application/grpc", "application/grpc+proto", "application/grpc+json"])
    assert.deepEqual([parsed(type), parseContentType(type)?.framing], [type, "grpc"]);
  for (const type of ["application/proto", "application/json"])
    assert.deepEqual([parsed(type), parseContentType(type)?.framing], [type, "plain"]);
  assert.equal(parseContentType("application/grpc")?.serialization, "proto");
  assert.equal(parseContentType("application/grpc+json")?.serialization, "json");
  assert.equal(parsed("Application/gRPC+Proto; charset=utf-8"), "application/grpc+proto");
  for (const utf8 of ["application/json;charset=UTF-8", 'application/json; charset="utf-8"', "application/json; x=1"])
    assert.equal(parsed(utf8), "application/json", utf8);
});

test("nothing else", () => {
  for (const other of [
    undefined,
    "",
    "application/grpc-web",
    "application/connect+json",
    "application/grpcx",
    "text/html; application/grpc",
    "application/json; charset=latin1",
  ]) {
    assert.equal(parsed(other), undefined, other);
  }
});

test("by framing and serialization", () => {
  assert.equal(bodyType("grpc", "json").contentType, "application/grpc+json");
  assert.equal(bodyType("plain", "proto").contentType, "application/proto");
  assert.equal(bodyType("grpc", "proto").contentType, "application/grpc");
  assert.ok(unaryBodies.startsWith(streamBodies) && unaryBodies.endsWith("application/json"));
});
