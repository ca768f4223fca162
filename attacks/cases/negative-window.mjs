import { message } from "../lib/messages.mjs";
import * as wire from "../lib/wire.mjs";

const STREAMS = 200;

export const attack = {
  title:
    "negative windows: SETTINGS move the windows of 200 waiting responses below zero and back, 5 000 times a second",
  run: (t) =>
    t.flood({
      perSecond: 5_000,
      // To have 200 responses made again and again is another attack.
      reconnectMs: 400,
      open(peer) {
        const request = message({ responseBytes: 70_000 });
        for (let i = 0; i < STREAMS; i++) peer.send(wire.data(peer.call("Unary"), request, wire.END_STREAM));
      },
      // 65 535 of 70 000 bytes are sent, and no more ever.
      next: (_, n) => wire.settings([[4, n % 2 === 0 ? 0 : 65_535]]),
    }),
  // Two connections a round, each with 200 responses of 70 kB.
  rssMib: 128,
  sees: { "GOAWAY ENHANCE_YOUR_CALM": 2 },
  counters: ["calmed"],
};
