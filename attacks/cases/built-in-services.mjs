import { PATH } from "../lib/echo.mjs";
import { requestFields } from "../lib/peer.mjs";
import * as wire from "../lib/wire.mjs";

const call = (path) => wire.block(requestFields().map(([name, value]) => [name, name === ":path" ? path : value]));
const WATCH = call("/grpc.health.v1.Health/Watch");
const REFLECT = call("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
const varint = (value) => (value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)]);
const field = (number, text) => Buffer.from([number * 8 + 2, ...varint(text.length), ...Buffer.from(text)]);
/** file_containing_symbol: answers many times its size; of it, what no session was sent yet. */
const QUESTION = wire.envelope(field(4, PATH.slice(1, -1)));

export const attack = {
  title:
    "health and reflection: 1 000 Watches of names that nobody has, 2 000 reflection sessions a second, 20 000 questions a second",
  async run(t) {
    const watching = t.each(1, async (peer) => {
      for (let i = 0; i < 1_000; i++) {
        const id = peer.take();
        peer.send(
          wire.headers(id, WATCH),
          wire.data(id, wire.envelope(field(1, `no-${t.round}-${i}${"x".repeat(900)}`)), wire.END_STREAM),
        );
      }
      await t.hold();
    });
    const asking = t.flood({
      connections: 1,
      perSecond: 2_000,
      next(peer) {
        const id = peer.take();
        const questions = Array.from({ length: 10 }, (_, i) => wire.data(id, QUESTION, i === 9 ? wire.END_STREAM : 0));
        return [wire.headers(id, REFLECT), ...questions];
      },
    });
    await Promise.all([watching, asking]);
  },
  sees: { "status 200": 1_000, "grpc-status 0": 100 },
  never: ["grpc-status 13"],
  counters: ["callsStarted"],
};
