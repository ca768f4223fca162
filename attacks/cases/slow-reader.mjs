import { message } from "../lib/messages.mjs";
import * as wire from "../lib/wire.mjs";

const CONNECTIONS = 4;
const CALLS = 150;

export const attack = {
  title: "slow reader: 600 calls with responses of 100 kB and of a stream, on 4 connections whose windows stay shut",
  run: (t) =>
    t.each(
      CONNECTIONS,
      async (peer) => {
        const unary = message({ responseBytes: 100_000 });
        const stream = message({ responseBytes: 10_000, count: 1_000_000 });
        for (let i = 0; i < CALLS; i++) {
          const method = i % 2 === 0 ? "Unary" : "ServerStream";
          peer.send(wire.data(peer.call(method), i % 2 === 0 ? unary : stream, wire.END_STREAM));
          if (i % 50 === 49) await t.sleep(10);
        }
        await t.hold();
      },
      { settings: [[4, 0]] },
    ),
  // 4 x (75 x 100 kB + 75 x 70 kB), below the 16 MiB that may wait for a connection.
  rssMib: 192,
  silent: "below the limit of queued bytes a peer may take its time: gRPC streams may pause for minutes",
  sees: { "status 200": 600 },
  counters: ["callsFailed"],
};
