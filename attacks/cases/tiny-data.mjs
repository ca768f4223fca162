import { requestFields } from "../lib/peer.mjs";
import * as wire from "../lib/wire.mjs";

const BYTE = Buffer.of(0);
const CALL = wire.block(requestFields("ClientStream"));
/** Ids this far apart share a slot in a table of any size up to this. */
const STRIDE = 8_192;

const FORMS = {
  "one stream": (peer) => {
    peer.stream = peer.call("ClientStream");
  },
  // The id of the last is found after all the others.
  "900 streams whose ids collide": (peer) => {
    for (let i = 0; i < 900; i++) peer.send(wire.headers((peer.stream = 1 + i * STRIDE), CALL));
  },
};

export const attack = {
  title:
    "DATA in frames of one byte, parts of message prefixes: 50 000 a second on one stream, and beside 900 whose ids collide",
  run: (t) =>
    t.flood({
      forms: FORMS,
      perSecond: 50_000,
      open: (peer) => FORMS[peer.form](peer),
      next: (peer) => wire.data(peer.stream, BYTE),
    }),
  silent:
    "empty messages cut into single bytes are legal, and each is read; a turn is bounded by what one socket read holds",
  sees: { sent: 20_000 },
  counters: ["framesReceived"],
};
