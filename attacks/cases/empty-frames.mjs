import * as wire from "../lib/wire.mjs";

/** Each on a connection of its own; `stream` is an open Bidi call. */
const FORMS = {
  "empty DATA": (_, stream) => wire.data(stream, Buffer.alloc(0)),
  "DATA of padding alone": (_, stream) => wire.data(stream, Buffer.from([20, ...new Array(20).fill(0)]), wire.PADDED),
  "empty HEADERS": (peer) => wire.headers(peer.take(), Buffer.alloc(0), wire.END_HEADERS | wire.END_STREAM),
  "unknown frames": () => wire.frame(0x42, 0xff, 0),
  "unknown frames on a stream": (_, stream) => wire.frame(0xee, 0, stream, Buffer.alloc(8)),
};

export const attack = {
  title: "empty and meaningless frames: DATA, padding, HEADERS, unknown types; 10 000 a second each (CVE-2019-9518)",
  run: (t) =>
    t.flood({
      forms: FORMS,
      perSecond: 10_000,
      open(peer) {
        peer.stream = peer.call("Bidi");
      },
      next: (peer) => FORMS[peer.form](peer, peer.stream),
    }),
  stopped: FORMS,
  sees: { "GOAWAY ENHANCE_YOUR_CALM": 5 },
  counters: ["calmed"],
};
