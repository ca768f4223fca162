/**
 * The embedded registry in a thread of its own, so that a main thread that computes for a second does not silence the
 * registry of everybody else. Binding the port is the election: only one process can.
 */
import { parentPort } from "node:worker_threads";
import { createRuntime } from "@dubhe/concurrency";
import { createRpcEnvironment } from "@dubhe/rpc";
import { toError } from "../errors.js";
import type { HostStart, HostWorkerCommand, HostWorkerMessage } from "./host-messages.js";
import { HostServer } from "./host-server.js";

let server: HostServer | undefined;

function tell(message: HostWorkerMessage): void {
  parentPort?.postMessage(message);
}

async function start({ port, pid, seed, startingMs, confirmMs }: HostStart): Promise<void> {
  const runtime = createRuntime({
    report: (error, where) => tell({ kind: "report", where, message: toError(error).stack ?? toError(error).message }),
  });
  try {
    server = await HostServer.start(createRpcEnvironment(runtime), {
      port,
      pid,
      seed,
      ...(startingMs === undefined ? {} : { startingMs }),
      ...(confirmMs === undefined ? {} : { confirmMs }),
    });
    tell({ kind: "listening", port: server.port });
  } catch (error) {
    tell({ kind: "failed", code: (error as NodeJS.ErrnoException).code, message: toError(error).message });
    parentPort?.close();
  }
}

async function close(): Promise<void> {
  await server?.close();
  parentPort?.close();
}

parentPort?.on(
  "message",
  (command: HostWorkerCommand) => void (command.kind === "start" ? start(command.start) : close()),
);
