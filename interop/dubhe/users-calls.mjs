// What a Dubhe consumer of UserProvider asks, and what must come back; each failure names its call.
import assert from "node:assert/strict";
import { javaExceptionOf } from "@dubhe/non-idl";
import { Code, RpcError } from "dubhe";
import { sample } from "./users-service.mjs";

/**
 * `users`: a client of UserProvider. `java`: the provider is dubbo-java, whose exceptions have stacks and causes.
 * `exceptions`: they travel as themselves, which takes hessian2.
 */
export async function callUsers(users, { java = false, exceptions = true } = {}) {
  assert.deepEqual(await users.getUser("1"), sample("1"));
  assert.equal(await users.getUser("null"), null);
  const missing = await failure(users.getUser("missing"));
  assert.equal(missing.code, Code.Unknown);
  assert.match(missing.message, /no user missing/);
  if (exceptions) {
    const thrown = javaExceptionOf(missing);
    assert.equal(thrown.className, "interop.peer.users.UserNotFoundException");
    assert.equal(thrown.message, "no user missing");
    assert.equal(thrown.fields.userId, "missing");
    if (java) assert.match(thrown.stackTrace[0], /^interop\.peer\.users\.Users\.getUser\(Users\.java:\d+\)$/);
  }

  const deep = { ...sample("deep"), friends: [sample("friend")], nick: "nick", score: 2.5 };
  assert.deepEqual(await users.echo(deep), deep);
  const bare = { age: 0, visits: 0n, active: false };
  assert.deepEqual(await users.echo(bare), { ...nulls(sample("")), ...bare });
  assert.equal(await users.echo(null), null);
  assert.deepEqual(await users.list(["a", null], "GUEST"), [{ ...sample("a"), role: "GUEST" }, null]);
  assert.deepEqual(await users.index({ old: 99 }), { old: { ...sample("old"), age: 99 } });
  assert.equal(await users.findByName("x"), "name x");
  assert.equal(await users.findByNumber(5n), "number 5");
  assert.equal(await users.sum(1, 2, 3.25, 0.5), 6.75);
  assert.equal(await users.sum(1, 2n, null, 0.5), 3.5);
  assert.match(await users.shift("2024-02-29T00:00:01", 1), /^2024-03-01T00:00:01/);
  assert.equal(await users.touch("1"), undefined);

  const state = await failure(users.fail("state"));
  if (exceptions) assert.equal(javaExceptionOf(state).className, "java.lang.IllegalStateException");
  if (exceptions) assert.equal(javaExceptionOf(state).cause.className, "java.lang.IllegalArgumentException");
  assert.equal((await failure(users.fail("rpc"))).code, Code.PermissionDenied);
  const wrong = await failure(users.list(["a", 5], "GUEST"));
  assert.equal(wrong.code, Code.InvalidArgument);
  assert.match(wrong.message, /UserProvider\.list: argument 1\[1\]: expected a string, got the number 5/);

  const ids = [];
  for await (const user of users.watch("w")) ids.push(user.id);
  assert.deepEqual(ids, ["w-0", "w-1", "w-2"]);
  await assert.rejects(async () => {
    for await (const user of users.watch("missing")) ids.push(user.id);
  }, RpcError);
  assert.equal(ids.length, 3);
  const names = [];
  for await (const name of users.rename([sample("a"), sample("b")])) names.push(name);
  assert.deepEqual(names, ["renamed a", "renamed b"]);
}

/** `users`: a client that sends JSON without gRPC's framing to dubbo-java, which answers that as it does a browser's. */
export async function callByPlainJson(users) {
  assert.equal(await users.sum(1, 2, 3.25, 0.5), 6.75);
  assert.equal(await users.touch("1"), undefined);
  assert.equal(await users.getUser("null"), null);
  // It has a long that JSON.parse rounds.
  const rounded = await failure(users.getUser("1"));
  assert.match(rounded.message, /result\.visits: expected an integer of 64 bits/);
}

/** `users`: of genericService. */
export async function callGenerically(users) {
  const user = await users.$invoke("getUser", ["java.lang.String"], ["1"]);
  assert.equal(user.class, "interop.peer.users.User");
  assert.equal(user.role, "EDITOR");
  assert.deepEqual(user.home, { class: "interop.peer.users.Address", street: "Elm Street", number: 13 });
  assert.equal(await users.$invoke("getUser", ["java.lang.String"], ["null"]), null);
  const { nick } = await users.$invoke("echo", ["interop.peer.users.User"], [{ ...user, nick: "new" }]);
  assert.equal(nick, "new");
  assert.equal(await users.$invoke("find", ["long"], [5]), "number 5");
  const listed = await users.$invoke("list", ["java.util.List", "interop.peer.users.Role"], [["a"], "GUEST"]);
  assert.equal(listed[0].role, "GUEST");
  const thrown = javaExceptionOf(await failure(users.$invoke("getUser", ["java.lang.String"], ["missing"])));
  assert.equal(thrown.className, "interop.peer.users.UserNotFoundException");
  assert.equal(thrown.message, "no user missing");
  await assert.rejects(users.$invoke("noSuchMethod", [], []), RpcError);
}

function nulls(user) {
  return Object.fromEntries(Object.keys(user).map((name) => [name, null]));
}

async function failure(call) {
  try {
    await call;
  } catch (error) {
    assert(error instanceof RpcError, String(error));
    return error;
  }
  return assert.fail("the call succeeded");
}
