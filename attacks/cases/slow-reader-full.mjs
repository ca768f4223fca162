import { message } from "../lib/messages.mjs";
import * as wire from "../lib/wire.mjs";

export const attack = {
  title:
    "slow reader at the limit: 200 calls a second with responses of 1 MiB on one connection whose windows stay shut",
  slowMs: 5_500,
  run: (t) =>
    t.each(
      1,
      async (peer) => {
        const request = message({ responseBytes: 1024 * 1024 });
        while (!t.over) {
          peer.send(wire.data(peer.call("Unary"), request, wire.END_STREAM));
          await t.sleep(5);
        }
      },
      { settings: [[4, 0]] },
    ),
  // Four times sendBufferLimit until it is known that nothing is taken; garbage of the responses made meanwhile.
  rssMib: 160,
  sees: { "RST_STREAM REFUSED_STREAM": 50, "RST_STREAM ENHANCE_YOUR_CALM": 1 },
  counters: ["requestsRefused", "stallResets"],
};
