import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ConfigStore, md5Of } from "./config-store.js";

const key = { tenant: "", group: "g", dataId: "d" };
const mapping = { tenant: "", group: "mapping", dataId: "com.Foo" };

test("compare-and-set as a Nacos 3.1.0 server does it", () => {
  const store = new ConfigStore();
  assert.equal(store.publish(key, "v1", "text", "0", 1), "published", "absent: the customary 0");
  assert.equal(store.publish(key, "v2", "text", "0", 1), "refused", "present: 0 is no md5");
  assert.equal(store.publish(key, "v2", "text", md5Of("other"), 1), "refused");
  assert.equal(store.publish(key, "v2", "text", md5Of("v1"), 1), "published");
  assert.equal(store.publish(key, "v2", "text", "", 1), "unchanged");
  assert.equal(store.publish(key, "v3", "text", "", 1), "published", "no condition");
  assert.equal(
    store.publish({ ...key, dataId: "e" }, "v1", "text", md5Of("stale"), 1),
    "published",
    "absent: any md5 inserts",
  );
});

test("of concurrent first writers exactly one wins", () => {
  const store = new ConfigStore();
  const results = Array.from({ length: 10 }, (_, n) => store.publish(key, `v${n}`, "text", "0", 1));
  assert.deepEqual(results.filter((result) => result === "published").length, 1);
});

test("the tenants public and none are one; others are apart", () => {
  const store = new ConfigStore();
  store.publish({ ...key, tenant: "public" }, "v", "text", "", 1);
  assert.equal(store.get(key)?.content, "v");
  assert.equal(store.get({ ...key, tenant: "dev" }), undefined);
});

test("listening answers whether the client is behind, and keeps its spelling of the tenant", () => {
  const store = new ConfigStore();
  assert.equal(store.listen("a", key, ""), false, "absent, and the client has nothing");
  assert.equal(store.listen("b", { ...key, tenant: "public" }, "zz"), true, "absent, and the client has something");
  store.publish(key, "v", "text", "", 1);
  assert.equal(store.listen("a", key, ""), true);
  assert.equal(store.listen("a", key, md5Of("v")), false);
  assert.deepEqual(
    [...store.listenersOf(key)],
    [
      ["a", ""],
      ["b", "public"],
    ],
  );
  store.unlisten("a", key);
  store.dropClient("b");
  assert.equal(store.listenersOf(key).size, 0);
});

test("merging takes the newer, unites mappings, and does not bring back what was removed", () => {
  const store = new ConfigStore();
  assert.equal(store.merge(key, "a", "text", 10), true);
  assert.equal(store.merge(key, "b", "text", 9), false);
  assert.equal(store.merge(key, "b", "text", 11), true);
  assert.equal(store.get(key)?.content, "b");
  store.remove(key, 20);
  assert.equal(store.merge(key, "b", "text", 12), false, "removed later");
  assert.equal(store.merge(key, "c", "text", 30), true, "written after the removal");
  assert.equal(store.merge(key, null, "text", 31), true);
  assert.equal(store.get(key), undefined);

  store.merge(mapping, "shop,cart", "text", 10);
  assert.equal(store.merge(mapping, "cart, order", "text", 5), true);
  assert.equal(store.get(mapping)?.content, "shop,cart,order");
  assert.equal(store.merge(mapping, "order,shop", "text", 99), false);
});

const names = fc.uniqueArray(fc.constantFrom("a", "b", "ab", "c"), { minLength: 1, maxLength: 4 });

test("merging mappings commutes, and repeats do nothing", () => {
  const contentOf = (offers: readonly (readonly [string[], number])[]): string[] => {
    const store = new ConfigStore();
    for (const [list, stamp] of offers) store.merge(mapping, list.join(","), "text", stamp);
    return (store.get(mapping)?.content ?? "").split(",").sort();
  };
  fc.assert(
    fc.property(fc.array(fc.tuple(names, fc.nat(9)), { minLength: 1, maxLength: 5 }), (offers) => {
      assert.deepEqual(contentOf(offers), contentOf(offers.slice().reverse()));
      assert.deepEqual(contentOf(offers), contentOf([...offers, ...offers]));
    }),
    { seed: 1, numRuns: 300 },
  );
});

test("a successful CAS always saw the newest content", () => {
  const step = fc.record({
    casOfVersion: fc.option(fc.nat(6), { nil: undefined }),
    content: fc.constantFrom("x", "y", "z"),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      const store = new ConfigStore();
      const versions: string[] = [];
      for (const { casOfVersion, content } of steps) {
        const cas = casOfVersion === undefined ? "" : md5Of(versions[casOfVersion] ?? "none");
        const before = store.get(key);
        const result = store.publish(key, content, "text", cas, 1);
        if (result === "refused") assert.ok(before !== undefined && cas !== "" && cas !== before.md5);
        else if (before !== undefined && cas !== "") assert.equal(cas, before.md5);
        if (result === "published") versions.push(content);
        const after = store.get(key);
        assert.equal(after?.content, result === "refused" ? before?.content : content);
        if (result === "published" && before !== undefined) assert.ok((after?.lastModified ?? 0) > before.lastModified);
      }
    }),
    { seed: 1, numRuns: 300 },
  );
});
