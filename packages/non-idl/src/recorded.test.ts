// The bytes of dubbo-java: what it sends is understood, what it answers is read.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type DescribedRoute,
  type MethodInfo,
  messageCodec,
  type RpcError,
  TripleRequestWrapperSchema,
} from "@dubhe/rpc";
import type { GenericCall } from "./generic-codec.js";
import { thrownExceptions } from "./java-exception.js";
import * as recorded from "./test-support/recorded.js";
import { handlers, sample, UserProvider } from "./test-support/users.js";

const methodNamed = (name: string): MethodInfo =>
  UserProvider.methods.find((method) => method.localName === name) as MethodInfo;
const routeNamed = (name: string): DescribedRoute =>
  UserProvider.routes(handlers).find(({ method }) => method.name === name) as DescribedRoute;

test("requests: an object with all kinds of fields, a stream's only argument, a generic call", () => {
  const [user] = routeNamed("echo").method.request.decode(recorded.echoRequest, false) as [unknown];
  const deep = { ...sample("deep"), friends: [sample("friend")], nick: "nick", score: 2.5 };
  assert.deepEqual(user, deep);
  assert.deepEqual(routeNamed("watch").method.request.decode(recorded.watchRequest, false), ["w"]);
  const call: GenericCall = { method: "find", types: ["long"], args: [5] };
  assert.deepEqual(routeNamed("$invoke").method.request.decode(recorded.genericRequest, false), call);
});

test("requests of ours have the types that dubbo-java has", () => {
  const wrapper = messageCodec(TripleRequestWrapperSchema);
  const theirs = wrapper.decode(recorded.watchRequest, false) as { argTypes: string[]; args: Uint8Array[] };
  const ours = wrapper.decode(methodNamed("watch").request.encode(["w"]), true) as typeof theirs;
  assert.deepEqual(ours.argTypes, theirs.argTypes);
  assert.deepEqual(
    ours.args.map((arg) => [...arg]),
    theirs.args.map((arg) => [...arg]),
  );
});

test("responses: an object, null, an exception in its place", () => {
  const { response } = methodNamed("getUser");
  assert.deepEqual(response.decode(recorded.userResponse, false), sample("1"));
  assert.equal(response.decode(recorded.nullResponse, false), null);
  const thrown = response.decode(recorded.exceptionResponse, false);
  const error = thrownExceptions.read(thrown, ["tri-exception-code", "3"]) as RpcError;
  assert.equal(error.message, "[unknown] interop.peer.users.UserNotFoundException: no user missing");
  assert.equal(thrownExceptions.read(thrown, ["tri-exception-code", "7"])?.code, 7);
  assert.equal(thrownExceptions.read(thrown, ["tri-exception-code", "999"])?.code, 2);
  assert.equal(thrownExceptions.read(sample("1"), ["tri-exception-code", "3"]), undefined);
});

test("every damaged byte is an error or another value, never a crash", () => {
  const { request } = routeNamed("echo").method;
  let refused = 0;
  for (let i = 0; i < recorded.echoRequest.length; i++) {
    const damaged = new Uint8Array(recorded.echoRequest);
    damaged[i] = (damaged[i] as number) ^ 0xff;
    try {
      request.decode(damaged, true);
    } catch (error) {
      refused++;
      assert.equal((error as Error).name, "RpcError");
    }
  }
  assert(refused > 100, `${refused} refused`);
});
