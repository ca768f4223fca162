import { PATH } from "../lib/echo.mjs";

const HEAD = `POST ${PATH}Unary HTTP/1.1\r\nHost: attacked\r\nContent-Type: application/json\r\nX-A: ${"b".repeat(100)}\r\n`;
const FORMS = {
  "headers byte by byte": (second) => HEAD.slice(second, second + 1),
  "a header a second": (second) => (second === 0 ? HEAD : `X-${second}: b\r\n`),
  "one request, then a part of another": (second) => (second === 0 ? `GET / HTTP/1.1\r\nHost: a\r\n\r\nPO` : ""),
};
const NAMES = Object.keys(FORMS);
/** The third has the 60 s of an idle connection. */
const STOPPED = NAMES.slice(0, 2);

export const attack = {
  title: "slowloris on the HTTP/1.1 door: headers byte by byte and one by one; 300 connections",
  slowMs: 25_000,
  async run(t) {
    const peers = Array.from({ length: 300 }, async (_, index) => {
      const peer = await t.connect({ raw: () => {} });
      const name = NAMES[index % NAMES.length];
      for (let second = 0; !t.over && !peer.closed; second++) {
        peer.send(Buffer.from(FORMS[name](second)));
        await t.sleep(1_000);
      }
      if (peer.closed && !t.over) t.note(`stopped: ${name}`);
    });
    await t.all(peers.filter((_, index) => STOPPED.includes(NAMES[index % NAMES.length])));
  },
  stopped: STOPPED,
  silent: "the socket is closed: HTTP/1.1 has no GOAWAY",
  counters: ["http1Accepted"],
};
