import { requestFields } from "../lib/peer.mjs";
import * as wire from "../lib/wire.mjs";

const ENDED = wire.END_HEADERS | wire.END_STREAM;
const BASE = wire.block(requestFields());
const size = (octets) => wire.integer(5, 0x20, octets);
const table = (octets) => wire.settings([[1, octets]]);

const FORMS = {
  // Broken at the first block: COMPRESSION_ERROR.
  "size update above the limit": {
    next: (peer) => wire.headers(peer.take(), Buffer.concat([size(1 << 20), BASE]), ENDED),
  },
  "index outside the tables": {
    next: (peer) => wire.headers(peer.take(), Buffer.concat([BASE, wire.integer(7, 0x80, 5_000)]), ENDED),
  },
  "integer without end": { next: (peer) => wire.headers(peer.take(), Buffer.alloc(64, 0xff), ENDED) },
  "string beyond its block": {
    next: (peer) => wire.headers(peer.take(), Buffer.from([0, 0x7f, 0xff, 0xff, 0x7f, 0x61]), ENDED),
  },
  // Legal, and useless.
  "our table named huge and empty by turns": { legal: true, next: (_, n) => table(n % 2 === 0 ? 0xffff_ffff : 0) },
  "the peer's table emptied and filled": {
    legal: true,
    next: (peer, n) => {
      const entries = Array.from({ length: 60 }, (_, i) => wire.literal(`x-${n % 1_000}-${i}`, "y".repeat(20), 0x40));
      return wire.headers(peer.take(), Buffer.concat([size(0), size(4_096), BASE, ...entries]), ENDED);
    },
  },
};

export const attack = {
  title: "HPACK table games: illegal sizes, indexes, lengths; tables resized and churned; 500 requests a second each",
  run: (t) => t.flood({ forms: FORMS, perSecond: 500, next: (peer, n) => FORMS[peer.form].next(peer, n) }),
  stopped: Object.keys(FORMS).filter((form) => FORMS[form].legal !== true),
  sees: { "GOAWAY COMPRESSION_ERROR": 8 },
  counters: ["violations"],
};
