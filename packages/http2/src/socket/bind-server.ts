import { chmod } from "node:fs/promises";
import type { ListenOptions, Server } from "node:net";
import type { BoundAddress, ListenAddress } from "./listener-types.js";
import { checkSocketPath, explainBindFailure, removeStaleSocket } from "./unix-socket.js";

const BACKLOG = 4_096;

/**
 * Rejects with the error of node:net or of the path, and when nobody wants it any more; then `server` does not listen, or
 * the caller, who did not want it, closes it.
 */
export async function bindServer(
  server: Server,
  address: ListenAddress,
  isWanted: () => boolean,
): Promise<BoundAddress> {
  const { path, mode } = address;
  if (path !== undefined) checkSocketPath(path);
  if (address.reusePort) requireReusePort(process.versions.node);
  try {
    await bindOnce(server, address);
  } catch (error) {
    if (path === undefined) throw error;
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw explainBindFailure(error as Error, path);
    await removeStaleSocket(path);
    if (!isWanted()) throw closed();
    await bindOnce(server, address);
  }
  try {
    if (path !== undefined && mode !== undefined) await chmod(path, mode);
  } catch (error) {
    server.close();
    throw error;
  }
  if (!isWanted()) throw closed();
  const bound = server.address();
  if (bound === null || typeof bound === "string") return { host: bound ?? "", port: 0 };
  return { host: bound.address, port: bound.port };
}

export function closed(): Error {
  return new Error("the listener is closed");
}

function bindOnce(server: Server, address: ListenAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    const onListening = (): void => {
      server.off("error", onError);
      resolve();
    };
    const onError = (error: Error): void => {
      server.off("listening", onListening);
      reject(error);
    };
    server.once("error", onError);
    server.once("listening", onListening);
    const { mode, ...where } = address;
    server.listen({ ...where, backlog: BACKLOG } as ListenOptions);
  });
}

function requireReusePort(version: string): void {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12)) return;
  throw new Error(
    `reusePort needs Node 22.12 or 23.1 and later, this is ${version}; node:cluster shares a port on any`,
  );
}
