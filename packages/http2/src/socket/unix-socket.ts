import { lstat, unlink } from "node:fs/promises";
import { connect } from "node:net";

/** sun_path without its NUL. */
const MAX_PATH = process.platform === "linux" ? 107 : 103;

/**
 * A process that was killed leaves its socket file, and bind(2) fails on it for ever. Removes it if it is a socket and
 * nobody answers; else throws what to do. (Two processes that start at once may each see the other's file as left over, as
 * with every server that does this: a path is for one server.)
 */
export async function removeStaleSocket(path: string): Promise<void> {
  const file = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (file === undefined) return;
  if (!file.isSocket()) throw inUse(path, "it exists and is no socket; remove it or name another path");
  if (await answers(path)) throw inUse(path, "another process listens there");
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ECONNREFUSED" || error.code === "ENOENT") resolve(false);
      // EAGAIN: somebody listens and its backlog is full.
      else if (error.code === "EAGAIN") resolve(true);
      else reject(inUse(path, `whether somebody listens there cannot be told: ${error.message}`));
    });
  });
}

/** libuv cuts a path that is too long, and listens elsewhere. */
export function checkSocketPath(path: string): void {
  if (process.platform === "win32" || Buffer.byteLength(path) <= MAX_PATH) return;
  throw cannotListen(path, `the path of a socket has at most ${MAX_PATH} bytes`, "ENAMETOOLONG");
}

/** What bind(2) on a path says, with what it means (libuv turns ENOENT into EACCES). */
export function explainBindFailure(error: NodeJS.ErrnoException, path: string): Error {
  const why = error.code === "EACCES" ? "its folder does not exist, or may not be written" : error.message;
  return cannotListen(path, why, error.code, error);
}

function inUse(path: string, why: string): Error {
  return cannotListen(path, why, "EADDRINUSE");
}

function cannotListen(path: string, why: string, code: string | undefined, cause?: Error): Error {
  return Object.assign(new Error(`cannot listen on ${path}: ${why}`, { cause }), { code, path });
}
