import { PLAIN_REQUEST } from "../lib/peer.mjs";
import * as wire from "../lib/wire.mjs";

export const attack = {
  title: "rapid reset: a request and its RST_STREAM, 20 000 times a second (CVE-2023-44487)",
  run: (t) =>
    t.flood({
      perSecond: 20_000,
      next(peer) {
        const id = peer.take();
        return [wire.headers(id, PLAIN_REQUEST), wire.resetStream(id)];
      },
    }),
  sees: { "GOAWAY ENHANCE_YOUR_CALM": 3 },
  counters: ["calmed", "resetsReceived"],
};
