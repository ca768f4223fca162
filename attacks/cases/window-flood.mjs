import * as wire from "../lib/wire.mjs";

const FORMS = {
  connection: () => wire.windowUpdate(0, 1),
  stream: (peer) => wire.windowUpdate(peer.stream, 1),
  "closed stream": (peer) => wire.windowUpdate(peer.ended, 1),
};

export const attack = {
  title:
    "WINDOW_UPDATE flood without anything to send: on the connection, an open and a closed stream; 10 000 a second each",
  run: (t) =>
    t.flood({
      forms: FORMS,
      perSecond: 10_000,
      open(peer) {
        peer.ended = peer.call("Unary", [], wire.END_HEADERS | wire.END_STREAM);
        peer.stream = peer.call("Bidi");
      },
      next: (peer) => FORMS[peer.form](peer),
    }),
  stopped: FORMS,
  sees: { "GOAWAY ENHANCE_YOUR_CALM": 3 },
  counters: ["calmed"],
};
