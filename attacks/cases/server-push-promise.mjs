import { keepSending, RESPONSE, serveHttp2 } from "../lib/http2-server.mjs";
import * as wire from "../lib/wire.mjs";

const promise = (n) =>
  wire.frame(wire.PUSH_PROMISE, wire.END_HEADERS, 1, Buffer.concat([wire.uint32(2 + 2 * n), RESPONSE]));

export const attack = {
  title: "a server that pushes: PUSH_PROMISE, 5 000 a second, which our SETTINGS forbid",
  serve: (socket, t) => serveHttp2(socket, t, { onRequest: () => void keepSending(socket, t, 5_000, promise) }),
  sees: { "GOAWAY PROTOCOL_ERROR": 3 },
  errors: /PUSH_PROMISE|refused|REFUSED|deadline/,
};
