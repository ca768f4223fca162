import { PATH } from "../lib/echo.mjs";

const post = (body, headers = "") =>
  `POST ${PATH}Unary HTTP/1.1\r\nHost: attacked\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n${headers}\r\n${body}`;
const slow = post(JSON.stringify({ delayMs: 300 }));
const large = post(JSON.stringify({ responseBytes: 64 * 1024 }));
const big = "x".repeat(64 * 1024);

/** By connection; each sends once, and then `again` every 40 ms. */
const FORMS = {
  "40 requests ahead of a slow one": { first: slow.repeat(40) },
  "a body of 100 MiB": {
    first: `POST ${PATH}Unary HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 104857600\r\n\r\n`,
    again: big,
  },
  "a chunked body without end": {
    first: `POST ${PATH}Unary HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`,
    again: `10000\r\n${big}\r\n`,
  },
  "responses that nobody reads": { first: large, again: large, deaf: true },
  "upgrades, CONNECT, Expect": {
    first: `GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n`,
    again: `CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n`,
  },
  // What the server answers fails: no error listener may be missing then.
  "CONNECT, and a reset at once": { first: "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", reset: true },
  "a request, then silence in its body": { first: post("x".repeat(1000)).slice(0, -900) },
};
const NAMES = Object.keys(FORMS);

export const attack = {
  title:
    "abuse of the HTTP/1.1 door: pipelining, bodies without end, responses nobody reads, upgrades; 24 connections, again and again",
  async run(t) {
    await Promise.all(
      Array.from({ length: 24 }, async (_, index) => {
        const { first, again, deaf, reset } = FORMS[NAMES[index % NAMES.length]];
        while (!t.over) {
          const peer = await t.connect({
            raw: (chunk) => {
              const status = /^HTTP\/1\.1 (\d+)/.exec(chunk.toString("latin1", 0, 20))?.[1];
              if (status !== undefined) t.note(`status ${status}`);
            },
          });
          if (deaf) peer.socket.pause();
          peer.send(Buffer.from(first));
          if (reset) peer.reset();
          while (!t.over && !peer.closed) {
            if (again !== undefined && peer.waiting < 256 * 1024) peer.send(Buffer.from(again));
            await t.sleep(40);
          }
          await t.sleep(200);
        }
      }),
    );
  },
  rssMib: 128,
  sees: { closed: 24 },
  counters: ["http1Refused", "messagesTooLarge"],
};
