import * as wire from "../lib/wire.mjs";

const MANY = wire.settings(Array.from({ length: 20 }, (_, i) => [0x99 + i, 1]));

export const attack = {
  title:
    "SETTINGS flood: empty ones, ones with 20 parameters, acknowledgements of nothing; 10 000 a second each (CVE-2019-9515)",
  run: (t) =>
    t.flood({
      connections: 3,
      perSecond: 10_000,
      next: (peer) => [wire.settings(), MANY, wire.settingsAck][peer.slot],
    }),
  sees: { "GOAWAY ENHANCE_YOUR_CALM": 3 },
  counters: ["calmed"],
};
