import assert from "node:assert/strict";
import { test } from "node:test";
import { EchoService } from "@dubhe/testing";
import fc from "fast-check";
import { type Route, Router } from "./router.js";

const path = `/${EchoService.typeName}/Unary`;
const name = (route: Route | string): string => (typeof route === "string" ? route : `${route.group}/${route.version}`);

function routerWith(...keys: readonly (readonly [string, string])[]): Router {
  const router = new Router();
  for (const [group, version] of keys) router.add(EchoService, { unary: () => ({}) }, { group, version });
  return router;
}

test("exactly, then version 1.0.0 of the group, then any", () => {
  const router = routerWith(["g", "2.0.0"], ["g", "1.0.0"], ["", "3.0.0"]);
  assert.equal(name(router.resolve(path, "g", "2.0.0")), "g/2.0.0");
  assert.equal(name(router.resolve(path, "g", "7")), "g/1.0.0");
  assert.equal(name(router.resolve(path, "", "3.0.0")), "/3.0.0");
  assert.equal(name(router.resolve(path, "h", "7")), "g/2.0.0");
  router.add(EchoService, { unary: () => ({}) });
  assert.equal(name(router.resolve(path, "h", "7")), "/");
});

test("removing one version hides no other (D-76)", () => {
  const router = routerWith(["", "1.0.0"], ["", "2.0.0"]);
  assert.equal(name(router.resolve(path, "", "")), "/1.0.0");
  assert.ok(router.remove(EchoService, { version: "1.0.0" }));
  assert.equal(name(router.resolve(path, "", "")), "/2.0.0");
  assert.equal(name(router.resolve(path, "", "2.0.0")), "/2.0.0");
  assert.equal(router.remove(EchoService, { version: "1.0.0" }), false);
  assert.ok(router.remove(EchoService, { version: "2.0.0" }));
  assert.match(String(router.resolve(path, "", "2.0.0")), /unknown service/);
});

test("a service that is registered is found by its own key, and some service by any key, in every order of adding and removing", () => {
  const key = fc.tuple(fc.constantFrom("", "a", "b"), fc.constantFrom("", "1.0.0", "2"));
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), key), { maxLength: 20 }), key, (commands, asked) => {
      const router = new Router();
      const model = new Map<string, readonly [string, string]>();
      for (const [add, [group, version]] of commands) {
        const id = `${group}/${version}`;
        if (!add) assert.equal(router.remove(EchoService, { group, version }), model.delete(id));
        else if (model.has(id))
          assert.throws(() => router.add(EchoService, {}, { group, version }), /already registered/);
        else {
          router.add(EchoService, { unary: () => ({}) }, { group, version });
          model.set(id, [group, version]);
        }
      }
      for (const [id, [group, version]] of model) assert.equal(name(router.resolve(path, group, version)), id);
      const expected =
        [`${asked[0]}/${asked[1]}`, `${asked[0]}/1.0.0`, "/"].find((id) => model.has(id)) ?? [...model.keys()][0];
      assert.equal(name(router.resolve(path, ...asked)), expected ?? `unknown service "${EchoService.typeName}"`);
    }),
  );
});

test("method names as in the .proto file and as Java writes them; unknown ones say what is unknown", () => {
  const router = new Router();
  router.add(EchoService, { unary: () => ({}) }, { group: "g" });
  assert.equal((router.resolve(`/${EchoService.typeName}/unary`, "g", "") as Route).method.name, "Unary");
  assert.match(
    String(router.resolve(`/${EchoService.typeName}/Nope`, "g", "1")),
    /unknown method "Nope" of service g\/dubhe.testing.v1.EchoService:1/,
  );
  assert.match(String(router.resolve(`/${EchoService.typeName}/ServerStream`, "g", "")), /unknown method/);
  for (const bad of ["", "/", "x", "/x", "//", "/a/"]) assert.match(String(router.resolve(bad, "", "")), /unknown/);
});

test("a handler must be a function", () => {
  assert.throws(() => new Router().add(EchoService, { unary: 5 } as never), /handler of unary is not a function/);
});
