// Child processes of the scripts: their output is kept, they are ended by their own pid, and none outlives its parent.
import { spawn } from "node:child_process";

const KEPT = 256 * 1024;
const alive = new Set();

export class Child {
  /** Everything written to stdout and to stderr; the last 256 KiB of each. */
  stdout = "";
  stderr = "";
  #wakers = new Set();
  #group = false;

  /**
   * @param options `cwd`, `env` (added to ours), `input` ("pipe" keeps stdin open: a child may end itself when it closes),
   * `output` ("inherit" shows instead of keeping), `group` (its own process group, ended as a whole).
   */
  constructor(name, command, args, options = {}) {
    this.name = name;
    this.commandLine = [command, ...args].join(" ");
    this.process = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: [options.input ?? "ignore", options.output ?? "pipe", options.output ?? "pipe"],
      detached: options.group === true,
    });
    this.pid = this.process.pid;
    this.#group = options.group === true;
    alive.add(this);
    for (const stream of ["stdout", "stderr"]) {
      this.process[stream]?.setEncoding("utf8").on("data", (text) => {
        this[stream] = (this[stream] + text).slice(-KEPT);
        this.#wake();
      });
    }
    this.process.stdin?.on("error", () => {});
    /** Never rejects. */
    this.exited = new Promise((resolve) => {
      this.process.once("error", (error) => {
        this.stderr += String(error);
        resolve({ code: -1, signal: null });
      });
      this.process.once("close", (code, signal) => resolve({ code, signal }));
    }).then((end) => {
      this.end = end;
      alive.delete(this);
      this.#wake();
      return end;
    });
  }

  #wake() {
    for (const waker of this.#wakers) waker();
  }

  /** The first match of `pattern` in stdout from `after` on. Fails when the child ends first or after `timeoutMs`. */
  async waitFor(pattern, timeoutMs = 30_000, after = 0) {
    const until = Date.now() + timeoutMs;
    for (;;) {
      const match = pattern.exec(this.stdout.slice(after));
      if (match !== null) return match;
      if (this.end !== undefined)
        throw new Error(`${this.name} ended (${describe(this.end)}) before it said ${pattern}\n${this.tail()}`);
      const left = until - Date.now();
      if (left <= 0) throw new Error(`${this.name} did not say ${pattern} within ${timeoutMs} ms\n${this.tail()}`);
      await new Promise((resolve) => {
        const timer = setTimeout(done, left);
        const wakers = this.#wakers;
        function done() {
          clearTimeout(timer);
          wakers.delete(done);
          resolve();
        }
        wakers.add(done);
      });
    }
  }

  /** How it ended; one that still runs after `timeoutMs` is stopped. */
  async wait(timeoutMs) {
    const timer = setTimeout(() => {
      this.stderr += `\n[stopped: still running after ${timeoutMs} ms]\n`;
      void this.stop();
    }, timeoutMs);
    const end = await this.exited;
    clearTimeout(timer);
    return end;
  }

  kill(signal = "SIGTERM") {
    if (this.end !== undefined || this.pid === undefined) return;
    try {
      process.kill(this.#group ? -this.pid : this.pid, signal);
    } catch {
      // It has just ended.
    }
  }

  /** SIGTERM, and SIGKILL after `graceMs`. */
  async stop(graceMs = 5_000) {
    this.kill("SIGTERM");
    const timer = setTimeout(() => this.kill("SIGKILL"), graceMs);
    await this.exited;
    clearTimeout(timer);
  }

  tail(lines = 25) {
    const last = (text) =>
      text
        .trimEnd()
        .split("\n")
        .slice(-lines)
        .map((line) => `    | ${line.slice(0, 400)}`)
        .join("\n");
    const parts = [];
    if (this.stdout !== "") parts.push(`  ${this.name} stdout:\n${last(this.stdout)}`);
    if (this.stderr !== "") parts.push(`  ${this.name} stderr:\n${last(this.stderr)}`);
    return parts.join("\n");
  }
}

const describe = (end) => (end.signal !== null ? `signal ${end.signal}` : `exit ${end.code}`);

/** Runs a command to its end; its stdout. Fails with what it said unless it exits 0. */
export async function run(name, command, args, { timeoutMs = 600_000, ...options } = {}) {
  const child = new Child(name, command, args, options);
  const end = await child.wait(timeoutMs);
  if (end.code !== 0) throw new Error(`${name} failed (${describe(end)}): ${child.commandLine}\n${child.tail()}`);
  return child.stdout;
}

process.on("exit", () => {
  for (const child of alive) child.kill("SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(130));
