import { PATH } from "../lib/echo.mjs";

const json = (text) => JSON.stringify({ text });
const request = (
  headers,
  body,
  { line = `POST ${PATH}Unary HTTP/1.1`, host = "Host: attacked\r\n", eol = "\r\n" } = {},
) =>
  `${line}${eol}${host}Content-Type: application/json${eol}${headers.map((header) => header + eol).join("")}${eol}${body}`;
/** What must never be answered: a request within another's body. */
const HIDDEN = request([`Content-Length: ${json("hidden").length}`], json("hidden"));
const SOUND = request([`Content-Length: ${json("sound").length}`], json("sound"));
const chunked = (text) => `${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`;
const CHUNKED = "Transfer-Encoding: chunked";

/** Each is refused (by a status, or in mid-body by the end of the connection alone) and its connection closed, so that the hidden request behind it is not read as one. */
const SHAPES = {
  "CL and TE": request([`Content-Length: ${json("a").length}`, CHUNKED], `0\r\n\r\n${HIDDEN}`),
  "TE and CL": request([CHUNKED, "Content-Length: 4"], `${chunked(json("a"))}${HIDDEN}`),
  "TE: xchunked": request(["Transfer-Encoding: xchunked", "Content-Length: 5"], `0\r\n\r\n${HIDDEN}`),
  "TE: chunked, identity": request(["Transfer-Encoding: chunked, identity"], `0\r\n\r\n${HIDDEN}`),
  "TE twice, the last not chunked": request([CHUNKED, "Transfer-Encoding: identity"], `0\r\n\r\n${HIDDEN}`),
  "space before the colon": request(["Transfer-Encoding : chunked", "Content-Length: 5"], `0\r\n\r\n${HIDDEN}`),
  "TE with a vertical tab": request(["Transfer-Encoding: \x0bchunked", "Content-Length: 5"], `0\r\n\r\n${HIDDEN}`),
  "two content-lengths": request(["Content-Length: 5", `Content-Length: ${HIDDEN.length}`], `{   }${HIDDEN}`),
  "Content-Length: 5, 6": request(["Content-Length: 5, 6"], `{   }${HIDDEN}`),
  "Content-Length: +5": request(["Content-Length: +5"], `{   }${HIDDEN}`),
  "Content-Length: -1": request(["Content-Length: -1"], HIDDEN),
  "Content-Length: 0x5": request(["Content-Length: 0x5"], `{   }${HIDDEN}`),
  "Content-Length of 30 digits": request([`Content-Length: ${"9".repeat(30)}`], HIDDEN),
  "chunk size of 17 digits": request([CHUNKED], `10000000000000005\r\n{   }\r\n0\r\n\r\n${HIDDEN}`),
  "chunk size -1": request([CHUNKED], `-1\r\n{   }\r\n0\r\n\r\n${HIDDEN}`),
  "chunk size 0x5": request([CHUNKED], `0x5\r\n{   }\r\n0\r\n\r\n${HIDDEN}`),
  "chunk longer than it says": request([CHUNKED], `1\r\n{   }\r\n0\r\n\r\n${HIDDEN}`),
  "chunk size ended by LF": request([CHUNKED], `5\n{   }\r\n0\r\n\r\n${HIDDEN}`),
  "64 KiB of chunk extensions": request([CHUNKED], `5;${"x".repeat(65_536)}\r\n{   }\r\n0\r\n\r\n${HIDDEN}`),
  "LF in a header": request([`X-A: b\n${CHUNKED}`, "Content-Length: 5"], `0\r\n\r\n${HIDDEN}`),
  "CR in a header": request([`X-A: b\rX-B: c`, "Content-Length: 5"], `{   }${HIDDEN}`),
  "NUL in a header": request(["X-A: b\0c", "Content-Length: 5"], `{   }${HIDDEN}`),
  "folded header": request(["Transfer-Encoding:\r\n chunked", "Content-Length: 5"], `0\r\n\r\n${HIDDEN}`),
  "header without a name": request([": b", "Content-Length: 5"], `{   }${HIDDEN}`),
  "header without a colon": request(["X-A", "Content-Length: 5"], `{   }${HIDDEN}`),
  "no Host": request(["Content-Length: 5"], `{   }${HIDDEN}`, { host: "" }),
  "space in the target": request(["Content-Length: 5"], `{   }${HIDDEN}`, { line: `POST ${PATH}Unary x HTTP/1.1` }),
  "NUL in the target": request(["Content-Length: 5"], `{   }${HIDDEN}`, { line: `POST ${PATH}Una\0ry HTTP/1.1` }),
  "HTTP/1.2": request(["Content-Length: 5"], `{   }${HIDDEN}`, { line: `POST ${PATH}Unary HTTP/1.2` }),
  "unknown method": request(["Content-Length: 5"], `{   }${HIDDEN}`, { line: `GPOST ${PATH}Unary HTTP/1.1` }),
  "headers of 64 KiB": request([`X-A: ${"b".repeat(65_536)}`, "Content-Length: 5"], `{   }${HIDDEN}`),
  "5 000 headers": request(
    [...Array.from({ length: 5_000 }, (_, i) => `X-${i}: b`), "Content-Length: 5"],
    `{   }${HIDDEN}`,
  ),
};

/** Taken, and each is one request: the counterpart, without which refusing everything would pass. */
const HARMLESS = {
  plain: SOUND,
  "chunked, upper case and cut in two": request(
    ["Transfer-Encoding: Chunked"],
    `5\r\n{"tex\r\na\r\nt":"sound"\r\n1\r\n}\r\n0\r\n\r\n`,
  ),
  "pipelined twice": SOUND + SOUND,
};

/** Writes `bytes` on a connection of its own; everything that comes back until it closes, or 250 ms long. */
async function exchange(t, bytes) {
  let text = "";
  const peer = await t.connect({
    raw: (chunk) => {
      text += chunk.toString("latin1");
    },
  });
  peer.send(Buffer.from(bytes, "latin1"));
  await Promise.race([peer.ended, t.sleep(250)]);
  const closed = peer.closed;
  peer.destroy();
  return { text, closed };
}

export const attack = {
  title:
    "request smuggling on the HTTP/1.1 door: CL and TE, obfuscated TE, chunk sizes, bare LF, folding, oversized headers; 32 shapes",
  async run(t) {
    const one = async ([name, bytes]) => {
      const { text, closed } = await exchange(t, bytes);
      const status = /^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? "nothing";
      t.note(`${closed ? "closed" : "open"} after ${status}`);
      if (t.over) return;
      if (text.includes("hidden")) t.note("the hidden request was answered");
      if (status === "200") t.note(`taken: ${name}`);
      if (closed && /^4|nothing/.test(status)) t.note(`refused: ${name}`);
    };
    const sound = async ([name, bytes]) => {
      const { text } = await exchange(t, bytes);
      if (text.split('"sound"').length - 1 === bytes.split("POST").length - 1) t.note(`served: ${name}`);
    };
    await Promise.all([...Object.entries(HARMLESS).map(sound), ...Object.entries(SHAPES).map(one)]);
    while (!t.over) {
      await Promise.all(Object.values(SHAPES).map((bytes) => exchange(t, bytes)));
      await t.sleep(10);
    }
  },
  sees: {
    ...Object.fromEntries(Object.keys(SHAPES).map((name) => [`refused: ${name}`, 2])),
    ...Object.fromEntries(Object.keys(HARMLESS).map((name) => [`served: ${name}`, 2])),
  },
  never: ["the hidden request was answered", ...Object.keys(SHAPES).map((name) => `taken: ${name}`)],
  counters: ["http1Refused"],
};
