// What a cell runs in: steps that say what they saw, children and taps that end with the cell, failures that name the
// peer, the step and the bytes.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Child } from "../../scripts/lib/child.mjs";
import { startTap } from "./tap.mjs";

export class StepFailed extends Error {
  constructor(peer, step, cause) {
    super(cause instanceof Error ? cause.message : String(cause));
    this.peer = peer;
    this.step = step;
  }
}

export class Trial {
  steps = 0;
  #cleanups = [];
  #children = [];
  #taps = [];
  #print;

  /** @param print takes what a step says */
  constructor(print = console.log) {
    this.#print = print;
  }

  /** Runs one step against `peer`; prints what `fn` returns: what was seen. */
  async step(peer, name, fn) {
    const began = performance.now();
    try {
      const saw = await fn();
      this.steps += 1;
      const ms = (performance.now() - began).toFixed(0);
      this.#print(
        `  ok   ${peer}: ${name} (${ms} ms)${saw === undefined ? "" : `\n         saw ${[saw].flat().join("\n             ")}`}`,
      );
    } catch (error) {
      throw new StepFailed(peer, name, error);
    }
  }

  start(name, command, args, options) {
    const child = new Child(name, command, args, options);
    this.#children.push(child);
    this.onEnd(() => child.stop());
    return child;
  }

  async tap(name, target, options) {
    const tap = await startTap(name, target, options);
    this.#taps.push(tap);
    this.onEnd(() => tap.close());
    return tap;
  }

  /** A folder that goes with the cell. */
  folder() {
    const path = mkdtempSync(join(tmpdir(), "dubhe-interop-"));
    this.onEnd(() => rmSync(path, { recursive: true, force: true }));
    return path;
  }

  /** Undone last first, whatever happened. */
  onEnd(fn) {
    this.#cleanups.push(fn);
  }

  async close() {
    for (const fn of this.#cleanups.splice(0).reverse()) {
      try {
        await fn();
      } catch (error) {
        console.error(`  cleaning up: ${error}`);
      }
    }
  }

  /** For a failure: what the children said last, and the last bytes on each tapped connection. */
  evidence() {
    const said = this.#children.map((child) => child.tail(12)).filter((text) => text !== "");
    return [...said, ...this.#taps.map((tap) => tap.dump())].join("\n");
  }
}
