/**
 * The text of a function that is made at run time, and the values that it refers to. Text that comes from a schema is put
 * in by `quoted` alone: a schema may come from anywhere.
 */
export class Source {
  /** What debuggers, profiles and stack traces call it. */
  readonly #title: string;
  readonly #lines: string[] = [`"use strict";`];
  readonly #names = new Map<unknown, string>();

  constructor(title: string) {
    this.#title = title;
  }

  add(...lines: readonly string[]): void {
    this.#lines.push(...lines);
  }

  /** The name by which the text refers to `value`. */
  bind(value: unknown, kind: string): string {
    let name = this.#names.get(value);
    if (name === undefined) {
      name = `${kind}${this.#names.size}`;
      this.#names.set(value, name);
    }
    return name;
  }

  /** Runs the text, whose last statement returns the function. */
  evaluate(): unknown {
    const url = `//# sourceURL=dubhe-codec:${this.#title.replace(/[^\w./]/g, "_")}`;
    const make = new Function(...this.#names.values(), [...this.#lines, url].join("\n")) as (
      ...values: unknown[]
    ) => unknown;
    return make(...this.#names.keys());
  }
}

/** As a string literal. */
export function quoted(text: string): string {
  return JSON.stringify(text);
}

/** Whether functions can be made of text (`--disallow-code-generation-from-strings`). */
export function canEvaluate(): boolean {
  try {
    new Source("").evaluate();
    return true;
  } catch {
    return false;
  }
}
