import { PATH } from "../lib/echo.mjs";
import * as wire from "../lib/wire.mjs";

const POST = `POST ${PATH}Unary HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n`;
/** What was sent when the peer goes; the answer, if there is one, finds nobody. */
const FIRST = [
  wire.PREFACE.subarray(0, 10),
  Buffer.concat([wire.PREFACE, wire.settings()]),
  Buffer.concat([wire.PREFACE, wire.settings([[4, 0x8000_0000]])]),
  "GET / HTTP/1.1\r\nHo",
  "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
  `${POST}Content-Length: 2\r\n\r\n{}`,
  `${POST}Content-Length: 20\r\nExpect: 100-continue\r\n\r\n`,
  `${POST}Transfer-Encoding: chunked\r\n\r\n2\r\n{}`,
  `${POST}Transfer-Encoding: chunked\r\n\r\nzz\r\n`,
  "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
  "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
  "noise\r\n\r\n",
].map((bytes) => Buffer.from(bytes));

export const attack = {
  title:
    "connections opened and dropped: after 12 beginnings in HTTP/2 and HTTP/1.1, with calls under way; closed or reset; 1 000 a second",
  async run(t) {
    for (let n = 0; !t.over; n++) {
      const opened = Array.from({ length: 10 }, async (_, i) => {
        if (i < 3) {
          const peer = await t.connect();
          for (let k = 0; k < 5; k++) peer.call("Bidi");
          await t.sleep(10);
          if (i === 0) peer.destroy();
          else peer.reset();
          return;
        }
        const peer = await t.connect({ raw: () => {} });
        peer.send(FIRST[(n + i) % FIRST.length]);
        // At once, so that the server finds bytes and the reset together; or later.
        if (n % 2 === 1) await t.sleep(5);
        peer.reset();
      });
      await Promise.all([...opened, t.sleep(10)]);
    }
  },
  silent: "the attacker leaves by itself",
  sees: { connections: 100 },
  counters: ["connectionsAccepted"],
};
