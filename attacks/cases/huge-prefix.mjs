import * as wire from "../lib/wire.mjs";

export const attack = {
  title: "message prefixes of 4 GiB - 1, of the limit and one, unknown flags; 2 000 calls a second",
  run: (t) =>
    t.flood({
      perSecond: 1_000,
      next(peer, n) {
        const id = peer.nextId;
        peer.call(["Unary", "ServerStream", "ClientStream", "Bidi"][n % 4]);
        const length = [0xffff_ffff, 4 * 1024 * 1024 + 1, 0x8000_0000][n % 3];
        return wire.data(id, wire.envelope(Buffer.alloc(100), n % 5 === 4 ? 0x7f : 0, length), wire.END_STREAM);
      },
    }),
  sees: { "grpc-status 8": 500, "grpc-status 13": 100 },
  counters: ["callsFailed", "messagesTooLarge"],
};
