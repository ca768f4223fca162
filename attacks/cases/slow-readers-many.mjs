import { message } from "../lib/messages.mjs";
import * as wire from "../lib/wire.mjs";

const CONNECTIONS = 30;

export const attack = {
  title:
    "many slow readers: 30 connections whose windows stay shut ask for 4 MB each, together above what may wait for all",
  slowMs: 5_000,
  run: (t) =>
    t.each(
      CONNECTIONS,
      async (peer) => {
        const request = message({ responseBytes: 130_000 });
        while (!t.over && !peer.closed) {
          if (peer.nextId < 60) peer.send(wire.data(peer.call("Unary"), request, wire.END_STREAM));
          else peer.call("Unary", [], wire.END_HEADERS | wire.END_STREAM);
          await t.sleep(25);
        }
      },
      { settings: [[4, 0]] },
    ),
  // A quarter of the default: less to send, and the same to see. Beside it garbage, and what was under way when it was reached.
  options: { http2: { sendBufferTotal: 64 * 1024 * 1024 } },
  rssMib: 192,
  sees: { "RST_STREAM REFUSED_STREAM": 100 },
  counters: ["requestsRefused"],
};
