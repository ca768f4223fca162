import * as wire from "../lib/wire.mjs";

export const attack = {
  title: "PING flood: 20 000 a second, and as many acknowledgements of no PING (CVE-2019-9512)",
  run: (t) => t.flood({ perSecond: 20_000, next: (peer) => wire.ping(peer.slot === 0 ? 0 : wire.ACK) }),
  sees: { "GOAWAY ENHANCE_YOUR_CALM": 3 },
  counters: ["calmed"],
};
