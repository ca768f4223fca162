import { PLAIN_REQUEST } from "../lib/peer.mjs";
import * as wire from "../lib/wire.mjs";

const FRAGMENTS = {
  empty: Buffer.alloc(0),
  "one byte": Buffer.of(0x82),
  "16 KiB": wire.block([["x-filler", "x".repeat(16_000)]]),
};

export const attack = {
  title:
    "CONTINUATION flood: a header block that never ends, 5 000 fragments a second of 0 B, 1 B, 16 KiB (CVE-2024-27316)",
  run: (t) =>
    t.flood({
      forms: FRAGMENTS,
      perSecond: 5_000,
      open(peer) {
        peer.stream = peer.take();
        peer.send(wire.headers(peer.stream, PLAIN_REQUEST, 0));
      },
      next: (peer) => wire.frame(wire.CONTINUATION, 0, peer.stream, FRAGMENTS[peer.form]),
    }),
  stopped: FRAGMENTS,
  sees: { "GOAWAY ENHANCE_YOUR_CALM": 9 },
  counters: ["calmed"],
};
