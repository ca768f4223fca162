import { requestFields } from "../lib/peer.mjs";
import * as wire from "../lib/wire.mjs";

const ENDED = wire.END_HEADERS | wire.END_STREAM;
const bytes = (...octets) => Buffer.from(octets);
const withField = (name, value) => wire.block(requestFields("Unary", [[name, value]]));
const instead = (name, value) =>
  wire.block(requestFields().map((field) => (field[0] === name ? [name, value] : field)));

/** RFC 9113 §8.2, §8.3: a malformed request is reset with PROTOCOL_ERROR. */
const MALFORMED = {
  "CR LF in a value": withField("x-a", "b\r\nx-injected: c"),
  "LF in a value": withField("x-a", "b\nc"),
  "NUL in a value": withField("x-a", bytes(0x62, 0, 0x63)),
  "CR LF in a name": withField("x-a\r\nx-injected", "b"),
  "NUL in a name": withField(bytes(0x78, 0, 0x79), "b"),
  "space in a name": withField("x a", "b"),
  "colon in a name": withField("x:a", "b"),
  "upper case": withField("X-Upper", "b"),
  "UTF-8 in a name": withField(Buffer.from("x-ü"), "b"),
  "empty name": withField("", "b"),
  "transfer-encoding": withField("transfer-encoding", "chunked"),
  connection: withField("connection", "close"),
  upgrade: withField("upgrade", "h2c"),
  "te: gzip": withField("te", "gzip"),
  "CR LF in :path": instead(":path", "/dubhe.testing.v1.EchoService/Unary HTTP/1.1\r\nhost: x\r\n\r\n"),
  "CR LF in :authority": instead(":authority", "a\r\nb"),
  "two :path": wire.block([[":path", "/"], ...requestFields()]),
  "pseudo-header last": wire.block([...requestFields().slice(1), [":method", "POST"]]),
  "unknown pseudo-header": wire.block([[":protocol", "websocket"], ...requestFields()]),
  ":status in a request": wire.block([[":status", "200"], ...requestFields()]),
  "no :path": wire.block(requestFields().filter(([name]) => name !== ":path")),
  "empty :path": instead(":path", ""),
  "two content-lengths": wire.block(
    requestFields("Unary", [
      ["content-length", "1"],
      ["content-length", "2"],
    ]),
  ),
  "content-length: -1": withField("content-length", "-1"),
  "content-length: +5": withField("content-length", "+5"),
  "content-length of 20 digits": withField("content-length", "99999999999999999999"),
};
/** Let through, and answered by a status: nothing in them can be taken for something else. */
const ODD = {
  "UTF-8 in a value": withField("x-a", Buffer.from("grüß ☂")),
  "invalid UTF-8 in a value": withField("x-a", bytes(0xc3, 0x28, 0xff, 0xfe, 0x80)),
  "broken base64": withField("x-bin", "!!!not base64!!!"),
  "odd :path": instead(":path", "/../../etc/passwd%00"),
  ":path of 8 000 octets": instead(":path", `/${"a".repeat(8_000)}`),
  "absolute :path": instead(":path", "http://elsewhere/dubhe.testing.v1.EchoService/Unary"),
};

const malformed = Object.entries(MALFORMED);
const odd = Object.entries(ODD);

export const attack = {
  title:
    "header injection and malformed requests: CR, LF, NUL, upper case, UTF-8, pseudo-headers, content-length; 5 000 a second",
  async run(t) {
    // Each alone first: what comes back is known by the stream.
    const asked = new Map();
    const peer = await t.connect({
      onFrame(_, type, _flags, streamId, payload) {
        const what = asked.get(streamId);
        if (type === wire.RST_STREAM && payload.readUInt32BE() === 1) t.note(`reset: ${what}`);
        if (type === wire.HEADERS) t.note(`answered: ${what}`);
      },
    });
    for (const [what, block] of [...malformed, ...odd]) {
      const id = peer.take();
      asked.set(id, what);
      peer.send(wire.headers(id, block, ENDED));
    }
    await t.sleep(50);
    await t.flood({
      perSecond: 2_500,
      next: (flooding, n) => wire.headers(flooding.take(), malformed[n % malformed.length][1], ENDED),
    });
  },
  sees: {
    ...Object.fromEntries(malformed.map(([what]) => [`reset: ${what}`, 3])),
    ...Object.fromEntries(odd.map(([what]) => [`answered: ${what}`, 3])),
    "RST_STREAM PROTOCOL_ERROR": 1_000,
  },
  never: malformed.map(([what]) => `answered: ${what}`),
  counters: ["streamErrors"],
};
