import { message } from "../lib/messages.mjs";
import * as wire from "../lib/wire.mjs";

const CONNECTIONS = 20;
const CALLS = 10;
const SLOW = message({ delayMs: 60_000 });
const WHOLE = message({ payload: new Uint8Array(16_000) });

export const attack = {
  title:
    "messages that handlers do not come to read: 200 streams busy with their first, 1 MiB sent after it on each; 20 connections",
  slowMs: 4_000,
  run: (t) =>
    t.each(CONNECTIONS, async (peer) => {
      const ids = Array.from({ length: CALLS }, () => {
        const id = peer.call("Bidi");
        peer.send(wire.data(id, SLOW));
        return id;
      });
      // As much as the stream's first window takes.
      for (let i = 0; i < 64 && !peer.closed; i++) {
        for (const id of ids) {
          while (peer.waiting > 256 * 1024 && !t.over && !peer.closed) await t.sleep(2);
          if (t.over) return;
          peer.send(wire.data(id, WHOLE));
        }
      }
      await t.hold();
    }),
  // A quarter of the default: less to send, and the same to see. What sockets hold, and garbage, beside.
  options: { http2: { receiveBufferTotal: 64 * 1024 * 1024 } },
  rssMib: 192,
  sees: { "RST_STREAM ENHANCE_YOUR_CALM": 10 },
  counters: ["stallResets"],
};
