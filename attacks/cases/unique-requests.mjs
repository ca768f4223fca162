import { requestFields } from "../lib/peer.mjs";
import * as wire from "../lib/wire.mjs";

export const attack = {
  title: "requests that resemble no other: unknown services, unique metadata, odd time-outs; 4 000 a second",
  run: (t) =>
    t.flood({
      perSecond: 2_000,
      next(peer, n) {
        const id = peer.take();
        const fields = requestFields(n % 2 === 0 ? "Unary" : `Method${n}`, [
          [`x-${t.round}-${peer.slot}-${n}`, "y".repeat(200)],
          ["grpc-timeout", ["99999999H", "0n", `${n}u`, "1x", ""][n % 5]],
          ["tri-service-group", `group-${n}`],
        ]);
        return [wire.headers(id, wire.block(fields)), wire.data(id, wire.envelope(Buffer.alloc(0)), wire.END_STREAM)];
      },
    }),
  sees: { "grpc-status 12": 500 },
  counters: ["callsRefused"],
};
