import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeValue, HessianReader, JavaObject, javaException } from "@dubhe/hessian2";
import { DubboError } from "./dubbo-error.js";
import { type Frame, FrameReader, headerLength } from "./frame.js";
import { decodeAnswer, descriptorOf, encodeInvocation } from "./invocation.js";
import { goRequest, goResponse, javaRequest, responseToJava } from "./test-support/recorded.js";

function frameOf(bytes: Buffer): Frame {
  let found: Frame | undefined;
  new FrameReader().push(bytes, (frame) => {
    found = frame;
  });
  return found as unknown as Frame;
}
const valuesOf = (bytes: Uint8Array): unknown[] => {
  const reader = new HessianReader(bytes);
  const values: unknown[] = [];
  while (!reader.done) values.push(reader.read());
  return values;
};

test("the request that dubbo-go sends, byte for byte", () => {
  const revision = valuesOf(goRequest.subarray(headerLength))[5] as string;
  const body = encodeInvocation({
    service: "org.apache.dubbo.metadata.MetadataService",
    group: "go-provider",
    version: "1.0.0",
    method: "getMetadataInfo",
    parameterTypes: ["java.lang.String"],
    args: [revision],
    attachments: { timeout: "5000", async: "false" },
  });
  assert.deepEqual(Buffer.from(body), goRequest.subarray(headerLength));
});

test("dubbo-java's request has the same parts", () => {
  const go = valuesOf(goRequest.subarray(headerLength));
  const java = valuesOf(javaRequest.subarray(headerLength));
  assert.deepEqual(java.slice(0, 5), go.slice(0, 5));
  assert.deepEqual([...(java[6] as Map<string, string>).keys()], ["path", "version", "timeout", "group"]);
});

test("what dubbo-go answers to both", () => {
  for (const bytes of [goResponse, responseToJava]) {
    const { value, attachments } = decodeAnswer(frameOf(bytes));
    assert.ok(value instanceof JavaObject);
    assert.equal(value.className, "org.apache.dubbo.metadata.MetadataInfo");
    assert.equal(attachments.get("group"), "go-provider");
  }
});

const answer = (values: readonly unknown[], status = 20, serialization = 2): Frame => ({
  request: false,
  twoWay: false,
  event: false,
  serialization,
  status,
  id: 1n,
  body: Buffer.concat(values.map((value) => encodeValue(value))),
});

test("the six kinds of an answer", () => {
  const attachments = { a: "1" };
  assert.deepEqual(decodeAnswer(answer([1, "v"])), { value: "v", attachments: new Map() });
  assert.deepEqual(decodeAnswer(answer([2])), { value: null, attachments: new Map() });
  assert.deepEqual(decodeAnswer(answer([4, "v", attachments])), { value: "v", attachments: new Map([["a", "1"]]) });
  assert.deepEqual(decodeAnswer(answer([5, attachments])), { value: null, attachments: new Map([["a", "1"]]) });
  const thrown = javaException("java.lang.IllegalStateException", "not now");
  for (const values of [
    [0, thrown],
    [3, thrown, attachments],
  ]) {
    assert.throws(
      () => decodeAnswer(answer(values)),
      (error) =>
        error instanceof DubboError &&
        error.kind === "exception" &&
        error.message === "java.lang.IllegalStateException: not now",
    );
  }
});

const bad: readonly (readonly [what: string, frame: Frame, message: RegExp])[] = [
  ["a status", answer(["no such service"], 60), /^service not found: no such service$/],
  ["a status without text", answer([], 100), /^server's thread pool exhausted: no message$/],
  ["a status nobody knows", answer([null], 99), /^status 99: no message$/],
  ["fastjson", answer([1], 20, 6), /serialised in way 6, not hessian2/],
  ["a kind that is none", answer([6]), /an answer of kind 6; there are 0 to 5/],
  ["a kind that is no number", answer(["x"]), /an answer of kind x/],
  ["an exception that is none", answer([0, "text"]), /no Throwable/],
  ["no value", answer([1]), /bytes end/],
  ["nothing", answer([]), /bytes end/],
];

for (const [what, frame, message] of bad) {
  test(`an answer that is an error: ${what}`, () => assert.throws(() => decodeAnswer(frame), { message }));
}

test("descriptors of the JVM", () => {
  assert.equal(descriptorOf("java.lang.String"), "Ljava/lang/String;");
  assert.equal(descriptorOf("int"), "I");
  assert.equal(descriptorOf("long[][]"), "[[J");
  assert.equal(descriptorOf("java.util.List<java.lang.Long>"), "Ljava/util/List;");
});

test("arguments and parameters must agree", () => {
  const invocation = { service: "a.B", method: "c", parameterTypes: ["int"], args: [] };
  assert.throws(() => encodeInvocation(invocation), /0 arguments for the 1 parameters of c/);
  assert.throws(() => encodeInvocation({ ...invocation, args: ["x"] }), /a string where Java wants int/);
});
