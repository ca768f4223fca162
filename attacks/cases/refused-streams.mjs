import { PLAIN_REQUEST } from "../lib/peer.mjs";
import * as wire from "../lib/wire.mjs";

export const attack = {
  title: "requests far above MAX_CONCURRENT_STREAMS that never end: 30 000 a second",
  run: (t) => t.flood({ perSecond: 30_000, next: (peer) => wire.headers(peer.take(), PLAIN_REQUEST) }),
  sees: { "RST_STREAM REFUSED_STREAM": 10_000 },
  counters: ["requestsRefused"],
};
