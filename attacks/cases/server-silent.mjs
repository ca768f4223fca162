import { serveHttp2 } from "../lib/http2-server.mjs";
import * as wire from "../lib/wire.mjs";

/** By connection, in turn. */
const FORMS = [
  // Nothing, not even SETTINGS.
  () => {},
  // Refuses every call.
  (socket, t) => serveHttp2(socket, t, { onRequest: (id, send) => send(wire.resetStream(id, "REFUSED_STREAM")) }),
  // Takes every call, answers none.
  (socket, t) => serveHttp2(socket, t, {}),
  // Allows no stream.
  (socket, t) => serveHttp2(socket, t, { settings: [[3, 0]] }),
  // Closes at once.
  (socket) => socket.resetAndDestroy(),
];

export const attack = {
  title:
    "servers that do nothing: no SETTINGS, no answer, no stream allowed, every call refused, connections closed at once",
  slowMs: 8_000,
  serve(socket, t) {
    t.served = (t.served ?? 0) + 1;
    FORMS[t.served % FORMS.length](socket, t);
    // So that each form gets its turn.
    setTimeout(() => socket.destroy(), 1_500);
  },
  errors: /./,
  check({ hostile, expect }) {
    for (const text of Object.keys(hostile.errors)) {
      expect(
        /deadline|refused|REFUSED|closed|reset|ECONNRESET|EPIPE|no connection|handshake|SETTINGS/i.test(text),
        `unclear: ${text}`,
      );
    }
  },
};
