import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { anyPack, DurationSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { Code } from "./code.js";
import { Metadata } from "./metadata.js";
import { RpcError } from "./rpc-error.js";
import { codeFromHttpStatus, fittingStatusFields, readStatus, statusError, statusFields } from "./status.js";

const none = { headers: new Metadata(), trailers: new Metadata() };

test("reads code, message and details; OK; and the absence of a status", () => {
  assert.deepEqual(readStatus(["grpc-status", "0"]), { code: 0, message: "", details: undefined });
  assert.deepEqual(readStatus(["x", "y", "grpc-message", "caf%C3%A9", "grpc-status", "5"]), {
    code: 5,
    message: "café",
    details: undefined,
  });
  assert.equal(readStatus(["x", "y"]), undefined);
});

test("a code outside 0..16 is kept: dubbo-go's business error is 17", () => {
  assert.equal(readStatus(["grpc-status", "17", "grpc-message", "biz"])?.code, 17);
  assert.equal(statusError({ code: 17, message: "biz", details: undefined }, none).message, "[code_17] biz");
});

test("a status that is not a number is UNKNOWN and shows what came", () => {
  for (const bad of ["", "x", "-1", "1.5", "99999999999"]) {
    const status = readStatus(["grpc-status", bad, "grpc-message", "m"]);
    assert.equal(status?.code, Code.Unknown);
    assert.match(status?.message ?? "", /grpc-status is/);
  }
});

test("an error survives the trailers", () => {
  const detail = anyPack(DurationSchema, create(DurationSchema, { seconds: 9n }));
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100 }),
      fc.string({ unit: "grapheme" }),
      fc.boolean(),
      (code, message, withDetail) => {
        const sent = new RpcError(message, code, withDetail ? { details: [detail] } : {});
        const fields = statusFields(sent);
        const status = readStatus(fields);
        assert.ok(status !== undefined);
        const got = statusError(status, none);
        assert.equal(got.code, sent.code);
        assert.equal(got.rawMessage, sent.rawMessage);
        assert.equal(got.source, "peer");
        assert.equal(got.findDetails(DurationSchema)[0]?.seconds, withDetail ? 9n : undefined);
      },
    ),
  );
});

test("damaged details are left out, and the status stays", () => {
  for (const details of ["!!!", "AQID", "CA"]) {
    const error = statusError({ code: 5, message: "m", details }, none);
    assert.deepEqual([error.code, error.rawMessage, error.details.length], [5, "m", 0]);
  }
});

test("an error without a valid code is sent as UNKNOWN", () => {
  assert.deepEqual(statusFields(new RpcError("", 0)).slice(0, 2), ["grpc-status", "2"]);
  assert.deepEqual(statusFields(new RpcError("", Number.NaN)).slice(0, 2), ["grpc-status", "2"]);
});

test("HTTP statuses map as gRPC says", () => {
  const expected: readonly (readonly [number, number])[] = [
    [400, Code.Internal],
    [401, Code.Unauthenticated],
    [403, Code.PermissionDenied],
    [404, Code.Unimplemented],
    [429, Code.Unavailable],
    [502, Code.Unavailable],
    [503, Code.Unavailable],
    [504, Code.Unavailable],
    [500, Code.Unknown],
    [200, Code.Unknown],
    [Number.NaN, Code.Unknown],
  ];
  for (const [http, code] of expected) assert.equal(codeFromHttpStatus(http), code, String(http));
});

test("a message of any length leaves room for the status in a header list of 16 KiB", () => {
  for (const text of ["x".repeat(100_000), "€".repeat(100_000), `${"x".repeat(2_729)}${"😀".repeat(9_000)}`]) {
    const fields = statusFields(new RpcError(text, Code.NotFound));
    assert.ok(fields.join("").length < 9_000);
    const { code, message } = readStatus(fields)!;
    assert.equal(code, Code.NotFound);
    assert.ok(message.endsWith("…") && text.startsWith(message.slice(0, -1)) && message.length > 800);
  }
});

const sizeOf = (fields: readonly string[]): number => fields.reduce((sum, text) => sum + text.length + 16, 0);

test("within a peer's header list: details go first, then the end of the message, at last the trailers, never the code", () => {
  const detail = anyPack(DurationSchema, create(DurationSchema, { seconds: 9n }));
  const error = new RpcError("grüße ".repeat(50), Code.NotFound, { details: Array.from({ length: 30 }, () => detail) });
  const others = ["x-tail", "t".repeat(100)];
  const before = [":status", "200"];
  const at = (limit: number) => {
    const fields = fittingStatusFields(error, others, before, limit);
    const { code, message, details } = readStatus(fields)!;
    assert.equal(code, Code.NotFound);
    return { message, details: details !== undefined, others: fields.includes("x-tail") };
  };
  assert.deepEqual(at(Infinity), { message: error.rawMessage.trimEnd().concat(" "), details: true, others: true });
  assert.deepEqual(at(1_200), { message: error.rawMessage, details: false, others: true });
  const cut = at(400);
  assert.ok(cut.others && cut.message.endsWith("…") && error.rawMessage.startsWith(cut.message.slice(0, -1)));
  assert.deepEqual(at(150), { message: "grü…", details: false, others: false });
  assert.deepEqual(at(1), { message: "", details: false, others: false });
});

test("within a peer's header list: whatever there is, it fits if the code alone does", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "grapheme" }),
      fc.string(),
      fc.nat(2_000),
      fc.boolean(),
      (message, tail, limit, detailed) => {
        const details = detailed ? [anyPack(DurationSchema, create(DurationSchema, { seconds: 9n }))] : [];
        const others = ["x-tail", tail];
        const fields = fittingStatusFields(new RpcError(message, 3, { details }), others, [":status", "200"], limit);
        assert.deepEqual(fields.slice(0, 2), ["grpc-status", "3"]);
        if (limit >= 42 + 44) assert.ok(sizeOf(fields) + 42 <= limit, `${sizeOf(fields)} of ${limit}`);
      },
    ),
  );
});
