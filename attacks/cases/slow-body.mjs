import * as wire from "../lib/wire.mjs";

const BYTE = Buffer.of(0);

export const attack = {
  title: "slowloris in the body: 4 connections with 500 calls each, whose messages come byte by byte",
  slowMs: 4_000,
  run: (t) =>
    t.each(4, async (peer) => {
      const ids = Array.from({ length: 500 }, (_, i) => peer.call(i % 2 === 0 ? "Unary" : "Bidi"));
      for (const id of ids) peer.send(wire.data(id, wire.envelope(Buffer.alloc(0), 0, 1_000_000)));
      while (!t.over) {
        peer.send(...ids.map((id) => wire.data(id, BYTE)));
        await t.sleep(500);
      }
    }),
  silent: "a slow upload is legal; the call's deadline ends it, or the server's maxTimeoutMs, which has no default",
  // 64 KiB are set aside for each large message that has begun.
  rssMib: 192,
  counters: ["callsStarted"],
};
