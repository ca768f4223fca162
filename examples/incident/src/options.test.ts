import assert from "node:assert/strict";
import { test } from "node:test";
import { help, OptionError, parseOptions } from "./options.js";

test("defaults are those that the help names", () => {
  const options = parseOptions([]);
  assert.ok(options !== "help");
  assert.equal(options.mode, "client");
  assert.equal(options.concurrency, 500);
  assert.equal(options.durationMs, 15_000);
  assert.equal(options.churn, true);
  assert.match(help, /default: 500/);
});

test("a whole App per request is made at a lower concurrency unless told otherwise", () => {
  const options = parseOptions(["--mode", "app"]);
  assert.ok(options !== "help");
  assert.equal(options.concurrency, 20);
});

for (const [argv, says] of [
  [["--mode", "clients"], /one of client, options/],
  [["--fault", "x"], /one of none, wrong-content/],
  [["--concurrency", "0"], /from 1 to 10000/],
  [["--clients", "1.5"], /whole number/],
  [["--client", "5"], /Unknown option/],
  [["stray"], /Unexpected argument/],
] as const) {
  test(`a wrong option is refused: ${argv.join(" ")}`, () => {
    assert.throws(
      () => parseOptions(argv),
      (error: unknown) => error instanceof OptionError && says.test(error.message),
    );
  });
}
