import * as wire from "../lib/wire.mjs";

/** By the whole connection's window: the connection ends. */
const FORMS = {
  "zero increment": () => wire.windowUpdate(0, 0),
  overflow: () => [wire.windowUpdate(0, 0x7fff_ffff), wire.windowUpdate(0, 0x7fff_ffff)],
  "initial window above 2^31-1": () => wire.settings([[4, 0x8000_0000]]),
  "initial window that overflows a stream": (peer) => [
    wire.windowUpdate(peer.stream, 0x7fff_0000),
    wire.settings([[4, 0x7fff_ffff]]),
  ],
};

export const attack = {
  title:
    "WINDOW_UPDATE of zero and beyond 2^31-1 on the connection, by SETTINGS too; a connection for each, 200 a second",
  run: (t) =>
    t.flood({
      forms: FORMS,
      perSecond: 100,
      reconnectMs: 5,
      open(peer) {
        peer.stream = peer.call("Bidi");
      },
      next: (peer) => FORMS[peer.form](peer),
    }),
  stopped: FORMS,
  sees: { "GOAWAY FLOW_CONTROL_ERROR": 3, "GOAWAY PROTOCOL_ERROR": 3 },
  counters: ["violations"],
};
