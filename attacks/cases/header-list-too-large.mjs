import { requestFields } from "../lib/peer.mjs";
import * as wire from "../lib/wire.mjs";

const filler = (count, octets) => Array.from({ length: count }, (_, i) => [`x-filler-${i}`, "y".repeat(octets)]);
const FORMS = {
  "40 KiB in few fields": wire.block(requestFields("Unary", filler(3, 13_000))),
  "40 KiB in 1 000 fields": wire.block(requestFields("Unary", filler(1_000, 1))),
};
const MAX = 16_384;

/** HEADERS and as many CONTINUATIONs as it takes. */
function request(id, block) {
  const frames = [];
  for (let at = 0; at < block.length; at += MAX) {
    const last = at + MAX >= block.length ? wire.END_HEADERS : 0;
    const part = block.subarray(at, at + MAX);
    frames.push(
      at === 0 ? wire.headers(id, part, last | wire.END_STREAM) : wire.frame(wire.CONTINUATION, last, id, part),
    );
  }
  return frames;
}

export const attack = {
  title: "header lists above the 32 KiB that were announced: 1 000 requests a second on each of two connections",
  run: (t) =>
    t.flood({
      forms: FORMS,
      perSecond: 1_000,
      reconnectMs: 400,
      next: (peer) => request(peer.take(), FORMS[peer.form]),
    }),
  stopped: FORMS,
  sees: { "status 431": 100, "GOAWAY ENHANCE_YOUR_CALM": 2 },
  counters: ["headersTooLarge", "calmed"],
};
