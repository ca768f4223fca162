import { message } from "../lib/messages.mjs";
import * as wire from "../lib/wire.mjs";

export const attack = {
  title: "one-byte window: responses of 1 MiB credited byte by byte, 20 000 WINDOW_UPDATEs a second",
  run: (t) =>
    t.flood({
      perSecond: 20_000,
      settings: [[4, 0]],
      open(peer) {
        peer.streams = Array.from({ length: 8 }, () => {
          const id = peer.call("Unary");
          peer.send(wire.data(id, message({ responseBytes: 1024 * 1024 }), wire.END_STREAM));
          return id;
        });
      },
      next: (peer, n) => wire.windowUpdate(peer.streams[n % 8], 1),
    }),
  // 16 responses of 1 MiB are made for each connection, and one connection follows the other.
  rssMib: 128,
  sees: { "GOAWAY ENHANCE_YOUR_CALM": 2 },
  counters: ["calmed"],
};
