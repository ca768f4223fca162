import assert from "node:assert/strict";
import { test } from "node:test";
import { Layout } from "./layout.js";
import { join, nameOf, nodeNameProblem, parentOf, pathProblem } from "./paths.js";

test("what a node may be called", () => {
  for (const name of ["providers", "mapping", "a b", "50%", "a,b", "購物", "é", "[::1]:1", "...", "$"])
    assert.equal(nodeNameProblem(name), undefined, name);
  for (const name of ["", ".", "..", "a/b", "\0", "a\nb", "\u{1F600}", "\uD800", "\uFFFF", "\u0085"])
    assert.notEqual(nodeNameProblem(name), undefined, JSON.stringify(name));
  assert.equal(pathProblem("/"), undefined);
  assert.notEqual(pathProblem("a"), undefined);
  assert.notEqual(pathProblem("/a/"), undefined);
});

test("parents, names, children", () => {
  assert.deepEqual(
    [parentOf("/a/b"), parentOf("/a"), nameOf("/a/b"), join("/", "a"), join("/a", "b")],
    ["/a", "/", "b", "/a", "/a/b"],
  );
});

test("D-63: odd names are one path element or an error, never another path", () => {
  const layout = new Layout({ root: "/dubbo", servicesRoot: "/services" });
  assert.equal(layout.application("my-providers"), "/services/my-providers");
  assert.equal(layout.application("mapping"), "/services/mapping");
  assert.equal(layout.application("50%,é"), "/services/50%,é");
  assert.equal(layout.providers("com.Foo$Bar"), "/dubbo/com.Foo%24Bar/providers");
  assert.equal(layout.providers("a/b"), "/dubbo/a%2Fb/providers");
  for (const name of ["a/b", "../x", "..", "", "\n"]) {
    assert.throws(() => layout.application(name), TypeError);
    assert.throws(() => layout.mapping(name), TypeError);
    assert.throws(() => layout.revisions(name), TypeError);
    assert.throws(() => layout.configuration("g", name), TypeError);
  }
  // In dubbo-go's layout these would write into the mapping, the configurations, Java's metadata.
  for (const name of ["mapping", "config", "metadata"]) {
    assert.throws(() => layout.revisions(name), /other data/);
    assert.throws(() => layout.providers(name), /other data/);
    assert.throws(() => new Layout({ root: "/g", servicesRoot: "/g" }).application(name), /other data/);
  }
});
