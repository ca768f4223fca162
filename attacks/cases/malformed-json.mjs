import { requestFields } from "../lib/peer.mjs";
import * as wire from "../lib/wire.mjs";

const JSON_REQUEST = wire.block(
  requestFields().map(([name, value]) => [name, name === "content-type" ? "application/json" : value]),
);
const deep = (open, close, count) => open.repeat(count) + close.repeat(count);
const BODIES = {
  "lists 50 000 deep": `{"x":${deep("[", "]", 50_000)}}`,
  "lists 50 000 deep, not closed": "[".repeat(50_000),
  "objects 20 000 deep": `${'{"error":'.repeat(20_000)}1${"}".repeat(20_000)}`,
  "10 000 keys": `{${Array.from({ length: 10_000 }, (_, i) => `"k${i}":1`).join(",")}}`,
  __proto__: '{"__proto__":{"text":"x"},"constructor":1,"text":"a"}',
  "a number of 100 000 digits": `{"sequence":${"9".repeat(100_000)}}`,
  "a lone surrogate": '{"text":"\\ud800"}',
  "broken base64": '{"payload":"!!!!"}',
  "invalid UTF-8": Buffer.from([0x7b, 0x22, 0xc3, 0x28, 0x22, 0x3a, 0x31, 0x7d]),
  "5 MiB": `{"text":"${"x".repeat(5 * 1024 * 1024)}"}`,
  nothing: "",
};
const ALL = Object.values(BODIES).map((body) => Buffer.from(body));

export const attack = {
  title:
    "malformed JSON over HTTP/2: nesting of 50 000, 10 000 keys, __proto__, long numbers, bad UTF-8, 5 MiB; 50 calls a second",
  run: (t) =>
    t.flood({
      connections: 1,
      perSecond: 50,
      next(peer, n) {
        const id = peer.take();
        const body = ALL[n % ALL.length];
        const frames = [wire.headers(id, JSON_REQUEST)];
        for (let at = 0; at < body.length; at += 16_384) frames.push(wire.data(id, body.subarray(at, at + 16_384)));
        return [...frames, wire.data(id, Buffer.alloc(0), wire.END_STREAM)];
      },
    }),
  rssMib: 192,
  sees: { "status 400": 10, "status 200": 1 },
  never: ["status 500"],
  counters: ["messagesMalformed", "messagesTooLarge"],
};
