import { requestFields } from "../lib/peer.mjs";
import * as wire from "../lib/wire.mjs";

/** Fills the table with one entry of nearly 4 KiB … */
const FILL = Buffer.concat([wire.block(requestFields()), wire.literal("x", "y".repeat(3_900), 0x40)]);
/** … which each octet below names again: index 62. */
const references = (count) => Buffer.concat([wire.block(requestFields()), Buffer.alloc(count, 0xbe)]);

const FORMS = {
  "15 000 references, 60 MB": { fill: FILL, bomb: references(15_000) },
  "60 references, 240 kB, below where a connection ends at once": { fill: FILL, bomb: references(60) },
};

export const attack = {
  title: "HPACK bombs: one table entry of 4 KiB named 15 000 and 60 times a request, 2 000 requests a second",
  run: (t) =>
    t.flood({
      forms: FORMS,
      perSecond: 2_000,
      open: (peer) => peer.send(wire.headers(peer.take(), FORMS[peer.form].fill)),
      next: (peer) => wire.headers(peer.take(), FORMS[peer.form].bomb, wire.END_HEADERS | wire.END_STREAM),
    }),
  stopped: FORMS,
  sees: { "GOAWAY ENHANCE_YOUR_CALM": 2, "status 431": 50 },
  counters: ["calmed", "headersTooLarge"],
};
