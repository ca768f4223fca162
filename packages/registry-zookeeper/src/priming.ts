import type { Operation } from "./operations.js";
import { OpCode } from "./protocol.js";
import type { WatchPacket } from "./watch-table.js";

/** Digest authentication: says who we are, to every connection anew. A server does not check it; ACLs do. */
export function authOperation(auth: { readonly username: string; readonly password: string }): Operation<void> {
  return {
    name: "auth",
    opcode: OpCode.auth,
    write: (writer) =>
      void writer
        .int(0)
        .text("digest")
        .buffer(Buffer.from(`${auth.username}:${auth.password}`)),
    read: () => undefined,
  };
}

/**
 * Restores watches after a reconnection; what happened since `lastZxid` to those that fire once is told at once. Servers before 3.6
 * know SetWatches alone, and have no recursive watches to restore.
 */
export function setWatchesOperation(lastZxid: bigint, watches: WatchPacket): Operation<void> {
  const recursive = watches.recursive.length > 0;
  return {
    name: recursive ? "setWatches2" : "setWatches",
    opcode: recursive ? OpCode.setWatches2 : OpCode.setWatches,
    write(writer) {
      writer.long(lastZxid).texts(watches.data).texts(watches.exist).texts(watches.child);
      if (recursive) writer.texts([]).texts(watches.recursive); // persistent ones come first, and we have none
    },
    read: () => undefined,
  };
}
