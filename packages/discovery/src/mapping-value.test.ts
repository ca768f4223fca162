import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { addToMapping, parseMapping } from "./mapping-value.js";

const name = fc.constantFrom("order", "order-service", "rder", "shop", "s", "shop-canary");

test("D-14: an application whose name is a part of another's is added all the same", () => {
  assert.equal(addToMapping("order-service", "order"), "order-service,order");
});

test("blanks, empties and repetitions are read over", () => {
  assert.deepEqual(parseMapping(" a , ,b,,a"), ["a", "b"]);
  assert.deepEqual(parseMapping(""), []);
  assert.deepEqual(parseMapping(undefined), []);
});

test("D-14: adding keeps the order, is idempotent, and leaves no empty element", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(name, fc.constant(""), fc.constant(" "))), name, (old, application) => {
      const value = old.join(",");
      const added = addToMapping(value, application) ?? value;
      const names = parseMapping(added);
      assert.deepEqual(
        names.filter((n) => n !== application || old.includes(application)),
        parseMapping(value),
      );
      assert.ok(names.includes(application));
      assert.equal(addToMapping(added, application), undefined);
      if (added !== value) assert.ok(added.split(",").every((element) => element.trim() !== ""));
    }),
  );
});
