import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

const running = new Set();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/**
 * A process of a cell, in whatever language: it takes words, one a line, on its standard input, writes JSON objects with a
 * `kind`, one a line, to its standard output, and ends when its input ends.
 */
export class Child {
  #process;
  #name;
  #queues = new Map();
  #waiting = new Map();
  #gone;

  /**
   * @param {string} name  for errors
   * @param {readonly string[]} command
   * @param {string | undefined} cpus  a list for taskset
   */
  constructor(name, command, cpus) {
    const [file, ...args] = cpus === undefined ? command : ["taskset", "-c", cpus, ...command];
    this.#name = name;
    this.#process = spawn(file, args, { stdio: ["pipe", "pipe", "inherit"] });
    running.add(this.#process);
    this.#process.stdin.on("error", () => {}); // it has ended: "exit" says so
    createInterface({ input: this.#process.stdout }).on("line", (line) => this.#hear(line));
    this.#process.on("error", (error) => this.#fail(error));
    this.#process.on("close", (code, signal) => {
      running.delete(this.#process);
      this.#fail(new Error(`${name}: exit ${signal ?? code}`));
    });
  }

  /** The next message of this kind. Rejects when the process ends, says "failed", or `ms` have passed. */
  next(kind, ms) {
    const queued = this.#queues.get(kind)?.shift();
    if (queued !== undefined) return Promise.resolve(queued);
    if (this.#gone !== undefined) return Promise.reject(this.#gone);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(kind);
        reject(new Error(`${this.#name}: no "${kind}" within ${ms} ms`));
      }, ms);
      this.#waiting.set(kind, { resolve, reject, timer });
    });
  }

  /** Says a word and waits for the message of that kind. */
  ask(word, ms, kind = word.split(" ", 1)[0]) {
    this.#process.stdin.write(`${word}\n`);
    return this.next(kind, ms);
  }

  async stop() {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null || this.#process.pid === undefined) return;
    const closed = new Promise((resolve) => this.#process.once("close", resolve));
    this.#process.kill("SIGKILL");
    await closed;
  }

  #hear(line) {
    let message;
    try {
      message = JSON.parse(line);
    } catch {
      return this.#fail(new Error(`${this.#name} said ${line.slice(0, 200)}`));
    }
    if (message.kind === "failed") return this.#fail(new Error(`${this.#name}: ${message.error}`));
    const waiting = this.#waiting.get(message.kind);
    if (waiting === undefined) {
      const queue = this.#queues.get(message.kind) ?? [];
      queue.push(message);
      this.#queues.set(message.kind, queue);
      return;
    }
    this.#waiting.delete(message.kind);
    clearTimeout(waiting.timer);
    waiting.resolve(message);
  }

  #fail(error) {
    this.#gone ??= error;
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(error);
    }
    this.#waiting.clear();
  }
}
