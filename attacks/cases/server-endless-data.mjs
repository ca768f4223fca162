import { keepSending, RESPONSE, serveHttp2 } from "../lib/http2-server.mjs";
import * as wire from "../lib/wire.mjs";

const CHUNK = Buffer.alloc(16_384);

export const attack = {
  title:
    "a server that answers with DATA without end: a message claimed to be 4 GiB, messages of 4 MiB - 1 that never end, 40 MB a second",
  serve: (socket, t) =>
    serveHttp2(socket, t, {
      onRequest(streamId, send) {
        send(wire.headers(streamId, RESPONSE));
        const claimed = streamId % 4 === 1 ? 0xffff_ffff : 4 * 1024 * 1024 - 1;
        send(wire.data(streamId, wire.envelope(Buffer.alloc(0), 0, claimed)));
        if (socket.begun) return;
        socket.begun = true;
        // Also beyond what our windows allow: a flow-control error in the end.
        void keepSending(socket, t, 2_500, () => wire.data(streamId, CHUNK));
      },
    }),
  rssMib: 128,
  sees: { "RST_STREAM CANCEL": 1 },
  errors:
    /above the receive limit|cannot decode|flow|window|REFUSED|refused|deadline|closed stream|STREAM_CLOSED|after the end/,
};
