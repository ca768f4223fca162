import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type {
  FromChild,
  GatewayResult,
  GatewayStart,
  Progress,
  ProviderCounts,
  ProviderStart,
  ToChild,
} from "./messages.js";
import type { ProviderRecord } from "./verdict.js";

const noneYet: ProviderCounts = { started: 0, completed: 0, received: 0, replied: 0, abandoned: 0 };

/** A child process that talks over IPC. It leaves by itself when the channel to us closes. */
function start(file: string, message: ToChild, execArgv: string[], onMessage: (m: FromChild) => void): ChildProcess {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), { execArgv });
  child.on("message", (m) => onMessage(m as FromChild));
  child.send(message);
  return child;
}

export class ProviderProcess {
  readonly name: string;
  readonly misbehaves: boolean;
  readonly ready: Promise<void>;
  readonly ended: Promise<void>;
  #child: ChildProcess;
  #address = "";
  #counts: ProviderCounts = noneYet;
  #told: "nothing" | "stop" | "kill" = "nothing";
  #lived = true;

  constructor(message: ProviderStart) {
    this.name = message.name;
    this.misbehaves = message.fault !== "none";
    let ready: () => void;
    let failed: (error: Error) => void;
    this.ready = new Promise((resolve, reject) => {
      ready = resolve;
      failed = reject;
    });
    this.#child = start("./provider.js", message, ["--enable-source-maps"], (m) => {
      if (m.kind === "ready") {
        this.#address = m.address;
        ready();
      } else if (m.kind === "counts" || m.kind === "stopped") this.#counts = m.counts;
      else if (m.kind === "crash") failed(new Error(`${this.name}: ${m.error}`));
    });
    this.ended = new Promise((resolve) => {
      this.#child.once("exit", (code, signal) => {
        this.#lived = false;
        failed(new Error(`${this.name} ended before it was ready (${signal ?? `status ${code}`})`));
        resolve();
      });
    });
    this.ready.catch(() => {});
  }

  get address(): string {
    return this.#address;
  }

  get alive(): boolean {
    return this.#lived && this.#told === "nothing";
  }

  stop(): Promise<void> {
    if (this.#told === "nothing") {
      this.#told = "stop";
      if (this.#child.connected) this.#child.send({ kind: "stop" } satisfies ToChild);
    }
    return this.ended;
  }

  kill(): Promise<void> {
    this.#told = "kill";
    this.#child.kill("SIGKILL");
    return this.ended;
  }

  record(): ProviderRecord {
    const end = this.#told === "kill" ? "killed" : this.#told === "stop" ? "stopped" : "crashed";
    return { name: this.name, address: this.#address, end, counts: this.#counts };
  }
}

export class GatewayProcess {
  readonly result: Promise<GatewayResult>;
  readonly enough: Promise<void>;
  readonly #child: ChildProcess;

  constructor(message: GatewayStart, onProgress: (progress: Progress) => void) {
    let done: (result: GatewayResult) => void;
    let failed: (error: Error) => void;
    let enough: () => void;
    this.enough = new Promise((resolve) => {
      enough = resolve;
    });
    this.result = new Promise((resolve, reject) => {
      done = resolve;
      failed = reject;
    });
    this.result.catch(() => {});
    const execArgv = ["--enable-source-maps", ...(message.soak ? ["--expose-gc"] : [])];
    this.#child = start("./gateway.js", message, execArgv, (m) => {
      if (m.kind === "progress") onProgress(m.progress);
      else if (m.kind === "enough") enough();
      else if (m.kind === "result") done(m.result);
      else if (m.kind === "crash") failed(new Error(`gateway: ${m.error}`));
    });
    this.#child.once("exit", (code, signal) => {
      failed(new Error(`the gateway ended before its report (${signal ?? `status ${code}`})`));
      enough();
    });
  }

  setAddresses(addresses: readonly string[]): void {
    this.#tell({ kind: "addresses", addresses });
  }

  stop(): void {
    this.#tell({ kind: "stop" });
  }

  /** Ends the process at once; after its result there is nothing left to lose. */
  end(): void {
    this.#child.kill("SIGKILL");
  }

  #tell(message: ToChild): void {
    if (this.#child.connected) this.#child.send(message);
  }
}
