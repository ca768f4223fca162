import { keepSending, RESPONSE, serveHttp2 } from "../lib/http2-server.mjs";
import * as wire from "../lib/wire.mjs";

const FRAGMENT = wire.block([["x-filler", "x".repeat(4_000)]]);

export const attack = {
  title: "a server whose response headers never end: CONTINUATION, 4 MB a second",
  serve: (socket, t) =>
    serveHttp2(socket, t, {
      onRequest(streamId, send) {
        if (socket.begun) return;
        socket.begun = true;
        send(wire.headers(streamId, RESPONSE, 0));
        void keepSending(socket, t, 1_000, () => wire.frame(wire.CONTINUATION, 0, streamId, FRAGMENT));
      },
    }),
  sees: { "GOAWAY ENHANCE_YOUR_CALM": 3 },
  errors: /header block exceeds|REFUSED|refused|deadline/,
};
