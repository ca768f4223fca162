import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import * as wire from "../lib/wire.mjs";

const ZEROS = Buffer.alloc(64 * 1024 * 1024);
const BOMBS = {
  gzip: gzipSync(ZEROS, { level: 9 }),
  deflate: deflateSync(ZEROS, { level: 9 }),
  br: brotliCompressSync(ZEROS),
};
/** Inflates to less than the limit, cut short. */
const CUT = gzipSync(ZEROS.subarray(0, 3 * 1024 * 1024)).subarray(0, 2_000);

export const attack = {
  title: "compressed bombs: 64 MiB of zeros as gzip (64 kB), deflate and br (60 B); broken gzip; 50 calls a second",
  run: (t) =>
    t.flood({
      perSecond: 50,
      connections: 1,
      next(peer, n) {
        const kind = ["gzip", "deflate", "br", "cut"][n % 4];
        const bytes = BOMBS[kind] ?? CUT;
        const id = peer.nextId;
        peer.call(n % 8 < 4 ? "Unary" : "ClientStream", [["grpc-encoding", kind === "cut" ? "gzip" : kind]]);
        const message = wire.envelope(bytes, 1);
        const frames = [];
        for (let at = 0; at < message.length; at += 16_384) {
          frames.push(
            wire.data(id, message.subarray(at, at + 16_384), at + 16_384 >= message.length ? wire.END_STREAM : 0),
          );
        }
        return frames;
      },
    }),
  rssMib: 128,
  sees: { "grpc-status 8": 10, "grpc-status 13": 3 },
  counters: ["callsFailed", "messagesTooLarge"],
};
