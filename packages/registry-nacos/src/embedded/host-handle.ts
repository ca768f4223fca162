import { Worker } from "node:worker_threads";
import type { Runtime } from "@dubhe/concurrency";
import { toError } from "../errors.js";
import type { HostWorkerCommand, HostWorkerData, HostWorkerMessage } from "./host-messages.js";

/** A host that this process runs. */
export interface HostHandle {
  readonly port: number;
  /** Resolves when it is gone, whatever the reason. Never rejects. */
  readonly ended: Promise<void>;
  /** Frees the port; bounded. Never rejects. */
  close(): Promise<void>;
}

/** Binds the port and serves, or rejects; with code EADDRINUSE when another process was first. */
export type StartHost = (data: HostWorkerData) => Promise<HostHandle>;

/** After this the thread is ended by force. */
const CLOSE_BOUND_MS = 1_000;

export function hostWorkerStarter(runtime: Runtime): StartHost {
  return (data) =>
    runtime.detached(
      () =>
        new Promise<HostHandle>((resolve, reject) => {
          const worker = new Worker(new URL("./host-worker.js", import.meta.url), {
            workerData: data,
            name: "dubhe-embedded-registry",
            // Flags of the process such as --test or --inspect are not for this thread.
            execArgv: [],
          });
          let end = (): void => undefined;
          const ended = new Promise<void>((done) => {
            end = done;
          });
          worker.on("message", (message: HostWorkerMessage) => {
            if (message.kind === "listening") {
              // From here on it serves as long as the process lives for other reasons.
              worker.unref();
              resolve({ port: message.port, ended, close: () => closeWorker(runtime, worker, ended) });
            } else if (message.kind === "failed") {
              reject(Object.assign(new Error(message.message), { code: message.code }));
            } else {
              runtime.report(new Error(message.message), `embedded registry: ${message.where}`);
            }
          });
          worker.on("error", (error) => {
            runtime.report(error, "thread of the embedded registry");
            reject(toError(error));
          });
          worker.on("exit", () => {
            end();
            reject(new Error("the thread of the embedded registry ended before it listened"));
          });
        }),
    );
}

async function closeWorker(runtime: Runtime, worker: Worker, ended: Promise<void>): Promise<void> {
  worker.ref();
  const command: HostWorkerCommand = { kind: "close" };
  worker.postMessage(command);
  const bound = runtime.clock.setTimeout(() => void worker.terminate(), CLOSE_BOUND_MS, { ref: true });
  await ended;
  bound.cancel();
}
