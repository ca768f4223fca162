import { keepSending, serveHttp2 } from "../lib/http2-server.mjs";
import * as wire from "../lib/wire.mjs";

const EARLY_HINTS = wire.block([
  [":status", "103"],
  ["link", "</x>"],
]);

export const attack = {
  title: "a server that never comes to the point: 103 after 103, 20 000 a second",
  serve: (socket, t) =>
    serveHttp2(socket, t, {
      onRequest: (streamId) => void keepSending(socket, t, 20_000, () => wire.headers(streamId, EARLY_HINTS)),
    }),
  sees: { "GOAWAY ENHANCE_YOUR_CALM": 2 },
  errors: /too many frames without progress|REFUSED|refused|deadline/,
};
