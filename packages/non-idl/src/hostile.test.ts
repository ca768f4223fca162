// What goes wrong where people and peers do what they should not.
import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeValue, encodeValue, javaList, javaMap, javaObject } from "@dubhe/hessian2";
import { Code, type Interceptor, messageCodec, RpcError, TripleResponseWrapperSchema } from "@dubhe/rpc";
import { rpcPair, withLeakCheck } from "@dubhe/testing";
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { z } from "zod";
import { defineService } from "./define-service.js";
import { genericService } from "./generic-service.js";
import { describeIssues, type Issue } from "./issues.js";
import { java } from "./java.js";
import { JavaException, javaExceptionOf } from "./java-exception.js";
import type { AnyJavaType } from "./java-type.js";
import { unary } from "./method-spec.js";

async function failure(call: Promise<unknown>): Promise<RpcError> {
  try {
    await call;
  } catch (error) {
    assert(error instanceof RpcError, String(error));
    return error;
  }
  return assert.fail("the call succeeded");
}

const complaint = (type: AnyJavaType, value: unknown): string => {
  const result = type["~standard"].validate(value);
  assert(!(result instanceof Promise));
  return result.issues?.[0]?.message ?? "";
};

test("values are described by what they are, whatever they say of themselves", () => {
  assert.equal(complaint(java.string, { constructor: null }), "expected a string, got a Object");
  assert.equal(
    complaint(java.string, { constructor: { name: "secret ".repeat(1000) } }),
    "expected a string, got a Object",
  );
  assert.equal(complaint(java.string, Object.create(null)), "expected a string, got an object");
  assert.equal(complaint(java.string, new (class {})()), "expected a string, got an object");
  assert.equal(complaint(java.long, 10n ** 5000n), "expected an integer of 64 bits, got a large number");
});

test("text that is nearly a number is refused in time that its length asks for", () => {
  const began = performance.now();
  assert.match(complaint(java.decimal, `${"1".repeat(500_000)}x`), /decimal/);
  assert(performance.now() - began < 1_000, "it took as long as its length squared");
  for (const text of ["1", "-1.", "+.5", "1.5e-7", "00.10"]) assert.equal(complaint(java.decimal, text), "", text);
  for (const text of ["", ".", "1e", "--1", "1.2.3", "e5"])
    assert.match(complaint(java.decimal, text), /decimal/, text);
});

test(
  "a schema that rejects asynchronously is an error of the call, and no unhandled rejection",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    const unhandled: unknown[] = [];
    const note = (reason: unknown): void => {
      unhandled.push(reason);
    };
    process.on("unhandledRejection", note);
    const late: StandardSchemaV1<string, string> = {
      "~standard": { version: 1, vendor: "late", validate: () => Promise.reject(new Error("late")) },
    };
    const thenable: StandardSchemaV1<string, string> = {
      "~standard": {
        version: 1,
        vendor: "odd",
        // biome-ignore lint/suspicious/noThenProperty: another kind of promise is what is tried.
        validate: () => ({ then: () => undefined }) as unknown as Promise<StandardSchemaV1.Result<string>>,
      },
    };
    try {
      for (const input of [late, thenable]) {
        const Api = defineService("acme.Later", { call: unary({ input }) });
        const error = await failure(pair.client(Api).call("x"));
        assert.match(error.rawMessage, /validates asynchronously/);
        assert.equal(error.code, Code.Internal);
      }
      await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(unhandled, []);
    } finally {
      process.off("unhandledRejection", note);
    }
  }),
);

const Api = defineService("acme.Api", {
  one: unary({ input: java.string, output: java.string.nullable() }),
  none: unary({ output: java.int }),
});

test(
  "more arguments than the method has are an error, not options",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    pair.server.add(Api, { one: (text) => text, none: () => 1 });
    type Loose = (...args: unknown[]) => Promise<unknown>;
    const { one, none } = pair.client(Api) as unknown as Readonly<Record<"one" | "none", Loose>>;
    for (const args of [
      ["a", "b"],
      ["a", {}, "c"],
      ["a", 5],
    ]) {
      const error = await failure(one(...args));
      assert.equal(error.code, Code.InvalidArgument);
      assert.match(error.rawMessage, /^Api\.one takes 1 argument, and options; got [23]$/);
    }
    assert.match((await failure(none("x"))).rawMessage, /takes 0 arguments/);
    assert.match((await failure(one())).rawMessage, /argument 1: expected a string, got null/);
    assert.equal(pair.server.counters.callsStarted, 0);
    assert.equal(await one("a", undefined), "a");
  }),
);

test(
  "the server says how many arguments a method takes",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    pair.server.add(Api, { one: (text) => text, none: () => 1 });
    const Other = defineService("acme.Api", {
      one: unary({ input: [java.string, java.int] }),
      none: unary({ input: java.int }),
    });
    const other = pair.client(Other);
    assert.equal((await failure(other.one("a", 1))).rawMessage, "Api.one takes 1 argument, got 2");
    assert.equal((await failure(other.none(1))).rawMessage, "Api.none takes 0 arguments, got 1");
  }),
);

const Overloaded = defineService("acme.Find", {
  byInt: unary({ name: "find", input: java.int, output: java.string }),
  byLong: unary({ name: "find", input: java.long, output: java.long }),
});

test(
  "an overload that is not implemented is not answered by another",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    pair.server.add(Overloaded, { byInt: (number) => `int ${number}` });
    const client = pair.client(Overloaded);
    assert.equal(await client.byInt(5), "int 5");
    const error = await failure(client.byLong(5));
    assert.equal(error.code, Code.Unimplemented);
    assert.match(error.rawMessage, /find\(long\)/);
    const generic = pair.client(genericService("acme.Find"));
    assert.equal((await failure(generic.$invoke("find", ["long"], [5]))).code, Code.Unimplemented);
  }),
);

test(
  "interceptors see the arguments and results of overloaded methods, and may put others in their place",
  withLeakCheck(async () => {
    const seen: unknown[] = [];
    const twice: Interceptor = (next) => async (call) => {
      seen.push(call.request);
      const [first] = call.request as [unknown];
      const reply = await next(
        first === "other" ? { ...call, request: [8n] } : first === "wrong" ? { ...call, request: [true] } : call,
      );
      seen.push(reply.response);
      return reply;
    };
    await using pair = await rpcPair({ server: { interceptors: [twice] } });
    const Same = defineService("acme.Same", {
      byText: unary({ name: "find", input: java.string, output: java.string }),
      byLong: unary({ name: "find", input: java.long, output: java.string }),
    });
    pair.server.add(Same, { byText: (text) => `text ${text}`, byLong: (number) => `long ${number}` });
    const same = pair.client(Same);
    assert.equal(await same.byText("a"), "text a");
    assert.equal(await same.byLong(7), "long 7");
    assert.deepEqual(seen, [["a"], "text a", [7n], "long 7"]);
    assert.equal(await same.byText("other"), "long 8");
    assert.match((await failure(same.byText("wrong"))).rawMessage, /no find takes these arguments/);
  }),
);

test(
  "what one conversion has used is not missing in the next",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    let open: (() => void) | undefined;
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const Lists = defineService("acme.Lists", { size: unary({ input: java.list(java.int), output: java.int }) });
    const slow: Interceptor = (next) => async (call) => {
      if (call.method.name === "$invoke") await gate;
      return next(call);
    };
    const size = (list: readonly number[]): number => {
      // Before anything else is converted.
      open?.();
      return list.length;
    };
    pair.server.add(Lists, { size }, { interceptors: [slow] });
    const many = Array(600_000).fill(1);
    const options = { timeoutMs: 60_000 };
    const generic = pair.client(genericService("acme.Lists")).$invoke("size", null, [many], options);
    assert.equal(await pair.client(Lists).size(many, options), 600_000);
    assert.equal(await generic, 600_000);
  }),
);

test("a result that has fields as a Throwable has is a result", () => {
  const Report = java.pojo("acme.Report", { detailMessage: java.string, stackTrace: java.list(java.string) });
  const Reports = defineService("acme.Reports", {
    last: unary({ output: Report }),
    any: unary({ output: java.object }),
  });
  const wrapper = messageCodec(TripleResponseWrapperSchema);
  const answer = (value: unknown): Uint8Array =>
    wrapper.encode({ serializeType: "hessian2", data: encodeValue(value), type: "acme.Report" });
  const report = { detailMessage: "disk full", stackTrace: ["a", "b"] };
  const [last, any] = Reports.methods;
  assert.deepEqual(last?.response.decode(answer(javaObject("acme.Report", report)), false), report);
  assert.deepEqual(any?.response.decode(answer(javaObject("acme.Report", report)), false), report);
});

test(
  "an exception goes with its causes; its text does not end in a colon",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    const circular = new JavaException("acme.Outer", "");
    Object.defineProperty(circular, "cause", { value: new JavaException("acme.Inner", "deep", { cause: circular }) });
    pair.server.add(Api, {
      one: (text) => {
        if (text === "circle") throw circular;
        throw new JavaException("acme.Outer", "out", {
          cause: new JavaException("acme.Inner", "in", { cause: new Error("not Java's") }),
        });
      },
    });
    const api = pair.client(Api);
    const thrown = javaExceptionOf(await failure(api.one("x")));
    const inner = thrown?.cause as JavaException;
    assert.deepEqual([inner.className, inner.message, inner.cause], ["acme.Inner", "in", undefined]);
    const error = await failure(api.one("circle"));
    assert.equal(error.rawMessage, "acme.Outer");
    assert.equal((javaExceptionOf(error)?.cause as JavaException | undefined)?.message, "deep");
  }),
);

test("a map of Java whose keys are no text is not taken for one", () => {
  const byText = java.map(java.string, java.int);
  for (const key of [null, 5]) {
    const read = byText.fromJava(decodeValue(encodeValue(javaMap("java.util.HashMap", [[key, 1]]))));
    assert.match(complaint(byText, read), /expected a string, got/);
  }
});

test("a million wrong parts are told in a few words, and cost little", () => {
  const wrong = Array(300_000).fill("x");
  const list = java.list(java.int);
  const result = list["~standard"].validate(wrong);
  assert(!(result instanceof Promise));
  assert((result.issues?.length ?? 0) <= 100, `${result.issues?.length} issues`);
  const checked = java.list(java.int.and(z.number().min(5)))["~standard"].validate([...wrong, 1]);
  assert(!(checked instanceof Promise) && (checked.issues?.length ?? 0) <= 100);
});

test("what is no object of its class is refused where it stands", () => {
  const broken = javaObject("com.alibaba.com.caucho.hessian.io.java8.LocalDateHandle", { month: 5 });
  const Dates = defineService("acme.Dates", { on: unary({ input: java.localDate, output: java.localDate }) });
  const [method] = Dates.methods;
  const response = messageCodec(TripleResponseWrapperSchema).encode({
    serializeType: "hessian2",
    data: encodeValue(broken),
    type: "x",
  });
  assert.throws(() => method?.response.decode(response, false), { name: "RpcError", code: Code.Internal });
  assert.deepEqual(java.list(java.int).fromJava(javaList("[int", [1])), [1]);
});

test("values that name one another many times are written once, in a generic call; in JSON they are refused", () => {
  interface Knot {
    left?: Knot;
    right?: Knot;
    readonly large: bigint;
  }
  const knot: Knot = { large: 1n << 70n };
  knot.left = knot;
  knot.right = knot;
  const [method] = genericService("acme.Knots").methods;
  const bytes = method?.request.encode({ method: "tie", types: null, args: [knot, knot] }) as Uint8Array;
  assert(bytes.length < 1_000, `${bytes.length} bytes`);
  let tree: object = { leaf: 1 };
  for (let i = 0; i < 40; i++) tree = { left: tree, right: tree };
  assert.throws(() => java.object.toJson(tree), /more than 1000000 parts/);
});

test("a response in another serialization says so, also to a generic call", () => {
  const bytes = messageCodec(TripleResponseWrapperSchema).encode({
    serializeType: "fastjson2",
    data: Buffer.from("{}"),
    type: "acme.User",
  });
  for (const method of [genericService("acme.Users").methods[0], Api.methods[0]]) {
    assert.throws(() => method?.response.decode(bytes, false), /must be hessian2, and is "fastjson2"/);
  }
});

test("keys of a peer's are not all of an error's text", () => {
  const issues: Issue[] = [];
  java.map(java.string, java.int).parse({ ["k".repeat(1_000_000)]: "x" }, ["argument 1"], issues);
  assert(describeIssues(issues).length < 200);
});
