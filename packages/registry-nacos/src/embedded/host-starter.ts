import { Worker } from "node:worker_threads";
import type { Runtime } from "@dubhe/concurrency";
import { toError } from "../errors.js";
import type { HostStart, HostWorkerCommand, HostWorkerMessage } from "./host-messages.js";

/** A host that this process runs. */
export interface HostHandle {
  readonly port: number;
  /** Resolves when it is gone, whatever the reason. Never rejects. */
  readonly ended: Promise<void>;
  /** Frees the port; bounded. Never rejects. */
  close(): Promise<void>;
}

export interface HostStarter {
  /** Binds the port and serves, or rejects; with code EADDRINUSE when another process was first. */
  start(start: HostStart): Promise<HostHandle>;
  /** This process is next in line: makes the start as quick as can be. */
  prepare?(): void;
  /** It is not any more, or the registry is closed. */
  discard?(): void;
}

/** After this the thread is ended by force. */
const CLOSE_BOUND_MS = 1_000;

/** Hosts in worker threads. A prepared one has loaded its code and waits, which is most of the time that a start takes. */
export class WorkerHostStarter implements HostStarter {
  readonly #runtime: Runtime;
  #prepared: HostThread | undefined;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  start(start: HostStart): Promise<HostHandle> {
    const thread = this.#prepared ?? new HostThread(this.#runtime);
    this.#prepared = undefined;
    return thread.start(start);
  }

  prepare(): void {
    if (this.#prepared !== undefined) return;
    const thread = new HostThread(this.#runtime);
    this.#prepared = thread;
    void thread.ended.then(() => {
      if (this.#prepared === thread) this.#prepared = undefined;
    });
  }

  discard(): void {
    void this.#prepared?.close();
    this.#prepared = undefined;
  }
}

/** waiting ─(start)▶ starting ─▶ serving ─▶ ended; also straight from each to ended. */
class HostThread {
  readonly ended: Promise<void>;
  readonly #runtime: Runtime;
  readonly #worker: Worker;
  #gone = false;
  #settle: { resolve(port: number): void; reject(error: Error): void } | undefined;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
    this.#worker = runtime.detached(
      () =>
        new Worker(new URL("./host-worker.js", import.meta.url), {
          name: "dubhe-embedded-registry",
          // Flags of the process such as --test or --inspect are not for this thread.
          execArgv: [],
        }),
    );
    this.#worker.on("message", (message: HostWorkerMessage) => this.#received(message));
    this.#worker.on("error", (error) => {
      runtime.report(error, "thread of the embedded registry");
      this.#settle?.reject(toError(error));
    });
    this.ended = new Promise((resolve) => {
      this.#worker.on("exit", () => {
        this.#gone = true;
        this.#settle?.reject(new Error("the thread of the embedded registry ended before it listened"));
        resolve();
      });
    });
    // It serves as long as the process lives for other reasons. Last, since a listener of messages makes it count again.
    this.#worker.unref();
  }

  async start(start: HostStart): Promise<HostHandle> {
    if (this.#gone) throw new Error("the thread of the embedded registry has ended");
    // A process that waits for its registry must not end meanwhile.
    this.#worker.ref();
    try {
      const port = await new Promise<number>((resolve, reject) => {
        this.#settle = { resolve, reject };
        this.#tell({ kind: "start", start });
      });
      return { port, ended: this.ended, close: () => this.close() };
    } finally {
      this.#settle = undefined;
      this.#worker.unref();
    }
  }

  async close(): Promise<void> {
    this.#worker.ref();
    this.#tell({ kind: "close" });
    const bound = this.#runtime.clock.setTimeout(() => void this.#worker.terminate(), CLOSE_BOUND_MS, { ref: true });
    await this.ended;
    bound.cancel();
  }

  #tell(command: HostWorkerCommand): void {
    this.#worker.postMessage(command);
  }

  #received(message: HostWorkerMessage): void {
    if (message.kind === "listening") this.#settle?.resolve(message.port);
    else if (message.kind === "failed")
      this.#settle?.reject(Object.assign(new Error(message.message), { code: message.code }));
    else this.#runtime.report(new Error(message.message), `embedded registry: ${message.where}`);
  }
}
