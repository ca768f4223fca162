import { requestFields } from "../lib/peer.mjs";
import * as wire from "../lib/wire.mjs";

const BIDI = wire.block(requestFields("Bidi"));
const MESSAGE = wire.envelope(Buffer.alloc(0));

export const attack = {
  title: "rapid reset in disguise: request, a message of five bytes, RST_STREAM; 10 000 times a second",
  run: (t) =>
    t.flood({
      perSecond: 10_000,
      next(peer) {
        const id = peer.take();
        return [wire.headers(id, BIDI), wire.data(id, MESSAGE), wire.resetStream(id)];
      },
    }),
  sees: { "GOAWAY ENHANCE_YOUR_CALM": 2 },
  counters: ["calmed", "resetsReceived"],
};
