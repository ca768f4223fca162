import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, type Interceptor, type MethodInfo, RpcError } from "@dubhe/rpc";
import { type RpcPair, rpcPair, withLeakCheck } from "@dubhe/testing";
import { z } from "zod";
import { defineService } from "./define-service.js";
import { genericService } from "./generic-service.js";
import { java } from "./java.js";
import { JavaException, javaExceptionOf } from "./java-exception.js";
import { serverStream, unary } from "./method-spec.js";
import { handlers, sample, User, UserProvider, UserProviderJson, type UserValue } from "./test-support/users.js";

async function failure(call: Promise<unknown>): Promise<RpcError> {
  try {
    await call;
  } catch (error) {
    assert(error instanceof RpcError, String(error));
    return error;
  }
  return assert.fail("the call succeeded");
}

async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

async function pairOfUsers(): Promise<RpcPair> {
  const pair = await rpcPair();
  pair.server.add(UserProvider, handlers);
  return pair;
}

const ways = [
  ["hessian2", UserProvider, {}],
  ["JSON", UserProviderJson, {}],
  ["JSON without gRPC's framing", UserProviderJson, { unary: "triple" }],
  ["hessian2, compressed", UserProvider, { compression: "gzip", compressMinBytes: 0 }],
] as const;

for (const [name, service, options] of ways) {
  test(
    `all kinds of values and of calls: ${name}`,
    withLeakCheck(async () => {
      await using pair = await pairOfUsers();
      const users = pair.client(service, options);
      assert.deepEqual(await users.getUser("1"), sample("1"));
      assert.equal(await users.getUser("null"), null);
      const deep: UserValue = { ...sample("deep"), friends: [sample("friend")], nick: "nick", score: 2.5 };
      assert.deepEqual(await users.echo(deep), deep);
      assert.equal(await users.echo(null), null);
      assert.deepEqual(await users.list(["a", null], "GUEST"), [{ ...sample("a"), role: "GUEST" }, null]);
      assert.equal(await users.touch("1"), undefined);
      assert.equal(await users.findByName("x"), "name x");
      assert.equal(await users.findByNumber(5), "number 5");
      assert.deepEqual(
        (await collect(users.watch("w"))).map((user) => user.id),
        ["w-0", "w-1", "w-2"],
      );
      assert.equal(await users.count(["a", null, "c"]), 3);
      assert.deepEqual(await collect(users.rename([sample("a"), sample("b")])), ["renamed a", "renamed b"]);
    }),
  );
}

test(
  "options come behind the arguments",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    const Api = defineService("acme.Slow", { never: unary({ input: [java.string, java.int], output: java.string }) });
    pair.server.add(Api, { never: (text, number, context) => `${text} ${number} ${context.requestHeaders.get("x")}` });
    const api = pair.client(Api);
    assert.equal(await api.never("a", 1, { headers: { x: "y" } }), "a 1 y");
    assert.equal((await failure(api.never("a", 1, { timeoutMs: 0 }))).code, Code.DeadlineExceeded);
  }),
);

test(
  "an argument that does not fit is refused before anything is sent, with its path",
  withLeakCheck(async () => {
    await using pair = await pairOfUsers();
    const users = pair.client(UserProvider);
    const wrong = { ...sample("1"), friends: [{ ...sample("2"), age: 2 ** 31 }], role: "NOBODY" };
    const error = await failure(users.echo(wrong as unknown as UserValue));
    assert.equal(error.code, Code.InvalidArgument);
    assert.equal(error.processed, "no");
    assert.match(error.rawMessage, /^UserProvider\.echo: /);
    assert.match(
      error.rawMessage,
      /argument 1\.friends\[0\]\.age: expected an integer of 32 bits, got the number 2147483648/,
    );
    assert.match(error.rawMessage, /argument 1\.role: expected one of ADMIN, EDITOR, GUEST, got "NOBODY"/);
    assert.equal(pair.server.counters.callsStarted, 0);
    const streamed = await failure(collect(users.rename([sample("a"), {} as UserValue])));
    assert.equal(streamed.code, Code.InvalidArgument);
  }),
);

const loose = defineService("acme.Names", { greet: unary({ input: java.string, output: java.object }) });
const strict = defineService("acme.Names", {
  greet: unary({ input: java.string.and(z.string().min(3).trim()), output: java.int.and(z.number().max(5)) }),
});

test(
  "the server checks too: INVALID_ARGUMENT for the caller's fault, INTERNAL for its own",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    pair.server.add(strict, { greet: (name) => name.length });
    const client = pair.client(loose);
    assert.equal(await client.greet("  Ada "), 3);
    const short = await failure(client.greet("A"));
    assert.equal(short.code, Code.InvalidArgument);
    assert.match(short.rawMessage, /^Names\.greet: argument 1: /);
    assert.equal(short.source, "peer");
    const own = await failure(client.greet("too long"));
    assert.equal(own.code, Code.Internal);
    assert.match(own.rawMessage, /^Names\.greet: result: /);
  }),
);

test(
  "a client checks what it is answered",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    pair.server.add(loose, { greet: (name) => name });
    const error = await failure(pair.client(strict).greet("Ada"));
    assert.equal(error.code, Code.Internal);
    assert.equal(error.source, "peer");
    assert.match(error.rawMessage, /^Names\.greet: result: expected an integer of 32 bits, got a string$/);
  }),
);

test(
  "any Standard Schema: what is given travels, what the schema makes of it arrives",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    const Api = defineService("acme.Users", {
      create: unary({
        input: [z.object({ mail: z.email(), tags: z.array(z.string()).default([]) }), z.number().int()],
        argTypes: ["acme.User", "int"],
        output: z.object({ id: z.string(), size: z.number() }),
        returnType: "acme.Created",
      }),
      later: serverStream({ input: z.string(), output: z.string().transform((text) => text.length) }),
    });
    pair.server.add(Api, {
      create: (user, copies) => ({ id: user.mail, size: user.tags.length * copies }),
      async *later(text) {
        yield text;
      },
    });
    const api = pair.client(Api);
    assert.deepEqual(await api.create({ mail: "a@b.cd", tags: ["x", "y"] }, 2), { id: "a@b.cd", size: 4 });
    assert.deepEqual(await api.create({ mail: "a@b.cd" }, 2), { id: "a@b.cd", size: 0 });
    const error = await failure(api.create({ mail: "nobody" }, 1.5));
    assert.equal(error.code, Code.InvalidArgument);
    assert.match(error.rawMessage, /argument 1\.mail: .*; argument 2: /);
    assert.deepEqual(await collect(api.later("four")), [4]);
  }),
);

test(
  "a schema that validates asynchronously is named",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    const Api = defineService("acme.Later", { call: unary({ input: z.string().refine(async () => true) }) });
    const error = await failure(pair.client(Api).call("x"));
    assert.equal(error.code, Code.Internal);
    assert.match(error.rawMessage, /asynchronous/i);
  }),
);

test(
  "exceptions travel as themselves, statuses as statuses",
  withLeakCheck(async () => {
    await using pair = await pairOfUsers();
    for (const compression of [undefined, "gzip"] as const) {
      const users = pair.client(UserProvider, compression === undefined ? {} : { compression, compressMinBytes: 0 });
      const missing = await failure(users.getUser("missing"));
      assert.equal(missing.code, Code.Unknown);
      assert.equal(missing.source, "peer");
      assert.equal(missing.processed, "yes");
      assert.equal(missing.rawMessage, "interop.peer.users.UserNotFoundException: no user missing");
      const thrown = javaExceptionOf(missing) as JavaException;
      assert.equal(thrown.message, "no user missing");
      assert.deepEqual(thrown.fields, { userId: "missing" });
    }
    const users = pair.client(UserProvider);
    const denied = await failure(users.getUser("denied"));
    assert.equal(denied.code, Code.PermissionDenied);
    assert.equal(javaExceptionOf(denied), undefined);
    assert.equal((await failure(users.getUser("broken"))).code, Code.Internal);
    // JSON has no exceptions.
    const json = await failure(pair.client(UserProviderJson).getUser("missing"));
    assert.equal(json.code, Code.Unknown);
    assert.equal(json.rawMessage, "no user missing");
    // All failed, however they were answered.
    assert.equal(pair.server.counters.callsSucceeded, 0);
  }),
);

test(
  "interceptors see arguments, results and exceptions, on both sides",
  withLeakCheck(async () => {
    const seen: string[] = [];
    const watch: Interceptor = (next) => async (call) => {
      seen.push(`${call.side} ${call.method.name} ${JSON.stringify(call.request)}`);
      try {
        const reply = await next(call);
        seen.push(`${call.side} ${JSON.stringify(reply.response)}`);
        return reply;
      } catch (error) {
        seen.push(`${call.side} ${javaExceptionOf(error)?.className}`);
        throw error;
      }
    };
    await using pair = await rpcPair({ server: { interceptors: [watch] } });
    const Api = defineService("acme.Echo", { echo: unary({ input: [java.string, java.int], output: java.string }) });
    pair.server.add(Api, {
      echo: (text) => {
        if (text === "bad") throw new JavaException("acme.Bad", "bad");
        return text;
      },
    });
    const api = pair.client(Api, { interceptors: [watch] });
    assert.equal(await api.echo("a", 1), "a");
    assert.equal(javaExceptionOf(await failure(api.echo("bad", 1)))?.className, "acme.Bad");
    assert.deepEqual(seen, [
      ...['client echo ["a",1]', 'server echo ["a",1]', 'server "a"', 'client "a"'],
      ...['client echo ["bad",1]', 'server echo ["bad",1]', "server acme.Bad", "client acme.Bad"],
    ]);
  }),
);

test(
  "generic calls: by name, as maps, with exceptions",
  withLeakCheck(async () => {
    await using pair = await pairOfUsers();
    const users = pair.client(genericService("interop.peer.users.UserProvider"));
    const user = (await users.$invoke("getUser", ["java.lang.String"], ["1"])) as Record<string, unknown>;
    assert.equal(user["class"], "interop.peer.users.User");
    assert.equal(user["role"], "EDITOR");
    assert.deepEqual(user["home"], { class: "interop.peer.users.Address", street: "Elm Street", number: 13 });
    const changed = { ...user, nick: "new" };
    const echoed = await users.$invoke("echo", ["interop.peer.users.User"], [changed]);
    assert.equal((echoed as UserValue).nick, "new");
    assert.equal((echoed as UserValue).serial, sample("").serial);
    assert.equal(await users.$invoke("find", ["long"], [5]), "number 5");
    assert.equal(await users.$invoke("find", ["java.lang.String"], ["5"]), "name 5");
    assert.equal(await users.$invoke("touch", null, ["1"]), null);
    const thrown = javaExceptionOf(await failure(users.$invoke("getUser", null, ["missing"])));
    assert.equal(thrown?.className, "interop.peer.users.UserNotFoundException");
    assert.equal(thrown?.message, "no user missing");
    const ambiguous = await failure(users.$invoke("find", null, [5]));
    assert.match(ambiguous.rawMessage, /find\(\) is not among find\(java\.lang\.String\), \(long\)/);
    assert.equal((await failure(users.$invoke("nothing", [], []))).code, Code.Unimplemented);
    assert.equal((await failure(users.$invoke("getUser", null, [1, 2]))).code, Code.InvalidArgument);
    const path = await failure(users.$invoke("echo", null, [{ ...user, age: "x" }]));
    assert.match(path.rawMessage, /argument 1\.age: expected an integer of 32 bits, got a string/);
  }),
);

test(
  "generic calls of other forms: JSON's text for gson; what else there is, is refused",
  withLeakCheck(async () => {
    await using pair = await pairOfUsers();
    const Generic = defineService("interop.peer.users.UserProvider", {
      $invoke: unary({
        input: [java.string, java.array(java.string), java.array(java.object)],
        output: java.object,
      }),
    });
    const users = pair.client(Generic);
    const gson = { headers: { generic: "gson" } };
    assert.equal(await users.$invoke("find", ["java.lang.String"], ['"5"'], gson), '"name 5"');
    const found = JSON.parse((await users.$invoke("getUser", ["java.lang.String"], ['"1"'], gson)) as string);
    assert.deepEqual([found.role, found.visits, found.home.number], ["EDITOR", "9007199254740993", 13]);
    assert.equal(await users.$invoke("getUser", ["java.lang.String"], ['"null"'], gson), "null");
    const broken = await failure(users.$invoke("find", ["java.lang.String"], ["{"], gson));
    assert.equal(broken.code, Code.InvalidArgument);
    assert.match(broken.rawMessage, /^an argument cannot be read: /);
    const bean = await failure(users.$invoke("find", ["long"], [5], { headers: { generic: "bean" } }));
    assert.equal(bean.code, Code.Unimplemented);
    assert.match(bean.rawMessage, /form "bean"/);
  }),
);

test(
  "what a described service is to a server: routes and names, no descriptors",
  withLeakCheck(async () => {
    await using pair = await pairOfUsers();
    const names = UserProvider.methods.map((method: MethodInfo) => method.name);
    assert.deepEqual(names, ["getUser", "echo", "list", "find", "find", "touch", "watch", "count", "rename"]);
    assert.deepEqual(pair.server.router.descriptors(), []);
    assert.throws(() => pair.server.add(UserProvider, handlers), /is already registered/);
    assert.equal(pair.server.remove(UserProvider), true);
    assert.equal((await failure(pair.client(UserProvider).getUser("1"))).code, Code.Unimplemented);
    pair.server.add(UserProvider, { getUser: () => null });
    assert.equal(await pair.client(UserProvider).getUser("1"), null);
    assert.equal((await failure(pair.client(UserProvider).echo(null))).code, Code.Unimplemented);
    assert.throws(
      () => pair.server.add(UserProviderJson, { getUser: 5 as never }, { group: "g" }),
      /the handler of getUser is not a function/,
    );
  }),
);

test("what cannot be described is refused at once", () => {
  assert.throws(() => defineService("no name", {}), TypeError);
  assert.throws(() => defineService("acme.A", {}, { codec: "msgpack" as never }), /"hessian2" or "json"/);
  assert.throws(() => defineService("acme.A", { "a b": unary() }), /no name of a method/);
  assert.throws(
    () => defineService("acme.A", { a: unary({ input: java.int, argTypes: [] }) }),
    /1 schemas, but 0 argTypes/,
  );
  const watch = serverStream({ name: "x", input: java.int, output: java.int });
  assert.throws(() => defineService("acme.A", { a: watch, b: unary({ name: "x" }) }), /overloaded/);
  const one = unary({ name: "x", input: z.string() });
  assert.throws(() => defineService("acme.A", { a: one, b: one }), /same parameter types/);
});

test("types: arguments, options and results are checked by the compiler", () => {
  const check = (
    users: import("./method-spec.js").ServiceClient<typeof import("./test-support/users.js").methods>,
  ): void => {
    const user: Promise<UserValue | null> = users.getUser("1", { timeoutMs: 5 });
    // @ts-expect-error a number is no string
    const wrong = users.getUser(1);
    // @ts-expect-error an argument is missing
    const missing = users.list(["a"]);
    // @ts-expect-error not a constant of the enum
    const constant = users.list(["a"], "NOBODY");
    void [user, wrong, missing, constant, User];
  };
  assert.equal(typeof check, "function");
});
