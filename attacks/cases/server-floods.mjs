import { keepSending, serveHttp2 } from "../lib/http2-server.mjs";
import * as wire from "../lib/wire.mjs";

const FLOODS = [
  () => wire.settings(),
  () => wire.ping(),
  () => wire.windowUpdate(0, 1),
  () => wire.goaway(0x7fff_fffe, "NO_ERROR"),
];

export const attack = {
  title: "a server that floods its client: SETTINGS, PING, WINDOW_UPDATE, GOAWAY; 20 000 a second",
  serve: (socket, t) =>
    serveHttp2(socket, t, {
      onRequest() {
        if (socket.begun) return;
        socket.begun = true;
        t.served = (t.served ?? 0) + 1;
        void keepSending(socket, t, 20_000, FLOODS[t.served % FLOODS.length]);
      },
    }),
  sees: { "GOAWAY ENHANCE_YOUR_CALM": 1 },
  errors: /too many frames without progress|too_many_pings|going away|REFUSED|refused|deadline|closed/,
};
