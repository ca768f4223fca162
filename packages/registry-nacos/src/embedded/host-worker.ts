/**
 * The embedded registry in a thread of its own, so that a main thread that computes for a second does not silence the
 * registry of everybody else. Binding the port is the election: only one process can.
 */
import { parentPort, workerData } from "node:worker_threads";
import { createRuntime } from "@dubhe/concurrency";
import { createRpcEnvironment } from "@dubhe/rpc";
import { toError } from "../errors.js";
import type { HostWorkerCommand, HostWorkerData, HostWorkerMessage } from "./host-messages.js";
import { HostServer } from "./host-server.js";

function tell(message: HostWorkerMessage): void {
  parentPort?.postMessage(message);
}

async function main(data: HostWorkerData): Promise<void> {
  const runtime = createRuntime({
    report: (error, where) => tell({ kind: "report", where, message: toError(error).stack ?? toError(error).message }),
  });
  const { port, pid, seed, startingMs, confirmMs } = data;
  let server: HostServer;
  try {
    server = await HostServer.start(createRpcEnvironment(runtime), {
      port,
      pid,
      seed,
      ...(startingMs === undefined ? {} : { startingMs }),
      ...(confirmMs === undefined ? {} : { confirmMs }),
    });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    tell({ kind: "failed", code, message: toError(error).message });
    parentPort?.close();
    return;
  }
  tell({ kind: "listening", port: server.port });
  parentPort?.on("message", (command: HostWorkerCommand) => {
    if (command.kind === "close") void server.close().then(() => parentPort?.close());
  });
}

void main(workerData as HostWorkerData);
