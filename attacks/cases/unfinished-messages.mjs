import * as wire from "../lib/wire.mjs";

const CALLS = 25;
const CHUNK = Buffer.alloc(16_384, 1);
/** Just below the receive limit. */
const CLAIMED = 4 * 1024 * 1024 - 1;

export const attack = {
  title:
    "unfinished messages: 25 calls that each send 3.9 MiB of a message of 4 MiB, and no more; 2 connections, 100 MiB each",
  slowMs: 4_000,
  run: (t) =>
    t.each(
      2,
      async (peer) => {
        const ids = Array.from({ length: CALLS }, (_, i) => {
          const id = peer.call(i % 2 === 0 ? "Unary" : "ClientStream");
          peer.send(wire.data(id, wire.envelope(Buffer.alloc(0), 0, CLAIMED)));
          return id;
        });
        for (let round = 0; round < 249 && !t.over && !peer.closed; round++) {
          for (const id of ids) {
            // Within the windows: the connection's is credited on receipt.
            while (peer.waiting > 256 * 1024 && !t.over && !peer.closed) await t.sleep(1);
            if ((peer.credit?.get(id) ?? 0) + 1024 * 1024 - 5 < (round + 1) * CHUNK.length) continue;
            peer.send(wire.data(id, CHUNK));
          }
        }
        await t.hold();
      },
      {
        onFrame(peer, type, _flags, streamId, payload) {
          if (type !== wire.WINDOW_UPDATE) return;
          peer.credit ??= new Map();
          peer.credit.set(streamId, (peer.credit.get(streamId) ?? 0) + payload.readUInt32BE());
        },
      },
    ),
  // A quarter of the default: less to send, and the same to see. What sockets hold, and garbage, beside.
  options: { maxUnfinishedBytes: 64 * 1024 * 1024 },
  rssMib: 192,
  sees: { "grpc-status 8": 1 },
  counters: ["messagesTooLarge"],
};
