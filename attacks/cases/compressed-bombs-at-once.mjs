import { brotliCompressSync } from "node:zlib";
import * as wire from "../lib/wire.mjs";

/** 4 MiB less a little: within the limit, and not to be refused before the last byte. */
const BOMB = wire.envelope(brotliCompressSync(Buffer.alloc(4 * 1024 * 1024 - 64)), 1);

export const attack = {
  title: "compressed bombs at once: 1 000 calls with 50 bytes each that become 4 MiB, in one burst on one connection",
  slowMs: 4_000,
  run: (t) =>
    t.each(1, async (peer) => {
      const frames = [];
      for (let i = 0; i < 1_000; i++) {
        const id = peer.nextId;
        peer.call(i % 2 === 0 ? "Unary" : "ClientStream", [["grpc-encoding", "br"]]);
        frames.push(wire.data(id, BOMB, wire.END_STREAM));
      }
      peer.send(...frames);
      await t.hold();
    }),
  rssMib: 384,
  sees: { "status 200": 10 },
  counters: ["callsFailed"],
};
