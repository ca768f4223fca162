import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { jsonText, printable } from "./terminal.js";

for (const [text, shown] of [
  ["greet.Größe 名前 😀", "greet.Größe 名前 😀"],
  ["\u001b[2J\n\u007f\u009b", "\\x1b[2J\\x0a\\x7f\\x9b"],
  ["a\u202a\u202b\u202c\u202d\u202eb", "a\\u202a\\u202b\\u202c\\u202d\\u202eb"],
  ["\u2066\u2067\u2068\u2069", "\\u2066\\u2067\\u2068\\u2069"],
  ["\u200e\u200f\u061c", "\\u200e\\u200f\\u061c"],
  ["\u200b\ufeff\u00ad\u2028\u2029", "\\u200b\\ufeff\\xad\\u2028\\u2029"],
  ["\u{e0041}\ud800", "\\u{e0041}\\ud800"],
] as const) {
  test(`shown as ${shown}`, () => assert.equal(printable(text), shown));
}

test("whatever a text is, what is shown neither controls nor reorders; JSON says the same all the same", () => {
  const unit = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)),
    fc.constantFrom("\u202e", "\u2067", "\u{e0001}", "\u001b[31m"),
  );
  const texts = fc.array(unit).map((parts) => parts.join(""));
  fc.assert(
    fc.property(texts, (text) => {
      const json = jsonText({ [text]: [text] }, 2);
      assert.doesNotMatch(printable(text), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
      assert.doesNotMatch(json.replaceAll("\n", ""), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
      assert.deepEqual(JSON.parse(json), { [text]: [text] });
    }),
  );
});
