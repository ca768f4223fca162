import { createRuntime } from "@dubhe/concurrency";
import { createRpcEnvironment } from "@dubhe/rpc";
import { Server } from "./server.js";
import type { ServerOptions } from "./server-options.js";

/** A server without an App: it listens, but nobody is told. For one that is found by name use `app.createServer`. */
export function createServer(options: ServerOptions = {}): Server {
  return new Server(createRpcEnvironment(createRuntime()), options, undefined);
}
