import * as wire from "../lib/wire.mjs";

const FORMS = {
  nothing: () => [],
  "half a preface, byte by byte": (second) => [wire.PREFACE.subarray(second, second + 1)],
  "a preface and no SETTINGS": (second) => (second === 0 ? [wire.PREFACE] : []),
  "SETTINGS byte by byte": (second) =>
    second === 0
      ? [wire.PREFACE]
      : [
          wire
            .settings([
              [3, 1],
              [4, 65_535],
            ])
            .subarray(second - 1, second),
        ],
};

export const attack = {
  title:
    "slowloris before the first request: no preface, half of one, no SETTINGS, SETTINGS never acknowledged; 400 connections",
  slowMs: 25_000,
  async run(t) {
    const names = Object.keys(FORMS);
    const unacknowledged = t.each(80, async (peer) => peer.ended, { ackSettings: false });
    await t.each(
      320,
      async (peer, index) => {
        const form = FORMS[names[index % names.length]];
        for (let second = 0; !t.over && !peer.closed; second++) {
          const bytes = form(second);
          if (bytes.length > 0) peer.send(...bytes);
          await t.sleep(1_000);
        }
        if (peer.closed && !t.over) t.note(`stopped: ${names[index % names.length]}`);
      },
      { preface: false },
    );
    await unacknowledged;
  },
  stopped: FORMS,
  sees: { "GOAWAY SETTINGS_TIMEOUT": 80 },
  counters: ["timeouts", "silent"],
};
