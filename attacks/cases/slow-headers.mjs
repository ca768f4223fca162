import { PLAIN_REQUEST } from "../lib/peer.mjs";
import * as wire from "../lib/wire.mjs";

const FORMS = {
  "a HEADERS frame, byte by byte": (second) => [wire.headers(1, PLAIN_REQUEST).subarray(second, second + 1)],
  "a block that ends nowhere, byte by byte": (second) =>
    second === 0 ? [wire.headers(1, PLAIN_REQUEST, 0)] : [wire.frame(wire.CONTINUATION, 0, 1, Buffer.of(0x82))],
};

export const attack = {
  title: "slowloris in the headers: frames and blocks that come byte by byte, one a second; 300 connections",
  // The default, 20 s and looked at once a period, would make this the longest attack by far.
  options: { http2: { frameTimeoutMs: 5_000 } },
  slowMs: 20_000,
  async run(t) {
    const names = Object.keys(FORMS);
    await t.each(300, async (peer, index) => {
      await peer.settled;
      const name = names[index % names.length];
      for (let second = 0; !t.over && !peer.closed; second++) {
        peer.send(...FORMS[name](second));
        await t.sleep(1_000);
      }
      if (peer.closed && !t.over) t.note(`stopped: ${name}`);
    });
  },
  stopped: FORMS,
  sees: { "GOAWAY ENHANCE_YOUR_CALM": 150 },
  counters: ["timeouts", "calmed"],
};
