import { RESPONSE, serveHttp2 } from "../lib/http2-server.mjs";
import * as wire from "../lib/wire.mjs";

const FIELDS = wire.block([
  ["grpc-status", "0"],
  ...Array.from({ length: 12 }, (_, i) => [`x-${i}`, "y".repeat(2_000)]),
]);
const BOMB = Buffer.concat([wire.literal("x", "y".repeat(3_900), 0x40), Buffer.alloc(8_000, 0xbe)]);

export const attack = {
  title: "a server with huge trailers: 24 kB of fields, and an HPACK bomb of 30 MB",
  serve: (socket, t) =>
    serveHttp2(socket, t, {
      onRequest(streamId, send) {
        const ended = wire.END_STREAM;
        if (streamId % 8 === 7)
          return send(wire.headers(streamId, RESPONSE), wire.headers(streamId, BOMB, wire.END_HEADERS | ended));
        send(
          wire.headers(streamId, RESPONSE),
          wire.headers(streamId, FIELDS.subarray(0, 16_000), ended),
          wire.frame(wire.CONTINUATION, wire.END_HEADERS, streamId, FIELDS.subarray(16_000)),
        );
      },
    }),
  sees: { "RST_STREAM ENHANCE_YOUR_CALM": 5, "GOAWAY ENHANCE_YOUR_CALM": 1 },
  errors: /header list exceeds|header block|expands to|exceeds|REFUSED|refused|deadline/,
};
