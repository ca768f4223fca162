// The runner's end of a program that takes commands (commands.mjs).
import { fileURLToPath } from "node:url";
import { Child } from "../../scripts/lib/child.mjs";

const ANSWER_MS = 15_000;

export class Program {
  #child;
  #rest = "";
  #waiting = new Map();
  #nextId = 1;

  constructor(name, file, args) {
    const path = fileURLToPath(new URL(file, import.meta.url));
    const child = new Child(name, process.execPath, ["--expose-gc", "--enable-source-maps", path, ...args], {
      input: "pipe",
    });
    this.#child = child;
    this.name = name;
    child.process.stdout.on("data", (text) => this.#read(text));
    void child.exited.then((end) => {
      const how = end.signal ?? `exit ${end.code}`;
      for (const { reject } of this.#waiting.values()) reject(new Error(`${name} ended: ${how}\n${child.tail()}`));
      this.#waiting.clear();
    });
  }

  /** What it says after READY. */
  async ready() {
    return (await this.#child.waitFor(/^READY ?(\S*)$/m, 20_000))[1];
  }

  get ended() {
    return this.#child.end !== undefined;
  }

  /** What it wrote to stderr: nothing, when all is well. */
  get complaints() {
    return this.#child.stderr;
  }

  ask(command, args = {}) {
    if (this.ended) return Promise.reject(new Error(`${this.name} has ended\n${this.#child.tail()}`));
    const id = this.#nextId++;
    this.#child.process.stdin.write(`${JSON.stringify({ id, command, args })}\n`);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => settle(reject)(new Error(`${this.name} did not answer "${command}" within ${ANSWER_MS} ms`)),
        ANSWER_MS + (args.ms ?? 0),
      );
      const settle = (how) => (value) => {
        clearTimeout(timer);
        this.#waiting.delete(id);
        how(value);
      };
      this.#waiting.set(id, { resolve: settle(resolve), reject: settle(reject) });
    });
  }

  stop() {
    // Nothing in it is worth a graceful end.
    this.#child.kill("SIGKILL");
    return this.#child.exited;
  }

  #read(text) {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop();
    for (const line of lines) {
      if (!line.startsWith("{")) continue;
      const { id, result, error } = JSON.parse(line);
      const waiter = this.#waiting.get(id);
      if (error === undefined) waiter?.resolve(result);
      else waiter?.reject(new Error(`${this.name}: ${error}`));
    }
  }
}
