// Measures one codec. Usage: codec-process.mjs LIBRARY MS
import { fileURLToPath } from "node:url";
import { create, equals, fromBinary, toBinary } from "@bufbuild/protobuf";
import { messageCodec } from "@dubhe/rpc";
import protobufjs from "protobufjs";
import { OrderSchema, SmallSchema } from "./gen/dubhe/bench/v1/codec_pb.js";
import { answer, say } from "./lib/talk.mjs";

const PROTO = fileURLToPath(new URL("proto/dubhe/bench/v1/codec.proto", import.meta.url));
const BATCH = 200;

const small = create(SmallSchema, { id: 4711, name: "ada", active: true, version: 1_700_000_000_123n });
const order = create(OrderSchema, {
  id: "order-2024-000042",
  createdAt: 1_700_000_000_123n,
  customer: { id: 77n, name: "Ada Lovelace", email: "ada@example.org", rating: 4.5 },
  items: [1, 2, 3, 4, 5].map((i) => ({ sku: `sku-${i}000`, quantity: i, price: 9.99 * i, title: `Thing number ${i}` })),
  labels: { region: "eu-west", channel: "web", campaign: "spring" },
  status: 2,
  total: 149.85,
  signature: new Uint8Array(32).fill(7),
  history: [1, 200, 30_000, 4_000_000],
  paid: true,
  adjustment: -250,
  trace: 0x0123_4567_89ab_cdefn,
  delivery: { case: "address", value: "12 St James's Square, London" },
});

/** For a schema and a message, functions that encode it and decode its bytes. */
const LIBRARIES = {
  dubhe(schema, message) {
    const codec = messageCodec(schema);
    const bytes = codec.encode(message);
    if (!equals(schema, message, codec.decode(bytes, false))) throw new Error("dubhe decodes something else");
    return { encode: () => codec.encode(message), decode: () => codec.decode(bytes, false) };
  },
  "protobuf-es"(schema, message) {
    const bytes = toBinary(schema, message);
    return { encode: () => toBinary(schema, message), decode: () => fromBinary(schema, bytes) };
  },
  /** Its reflection generates the text that its static modules have. */
  protobufjs(schema, message) {
    const type = protobufjs.loadSync(PROTO).lookupType(schema.typeName);
    const bytes = toBinary(schema, message);
    const own = type.decode(bytes);
    if (!equals(schema, message, fromBinary(schema, type.encode(own).finish()))) throw new Error("protobufjs differs");
    return { encode: () => type.encode(own).finish(), decode: () => type.decode(bytes) };
  },
};

const [library, ms] = process.argv.slice(2);
answer();
const result = { octets: { small: toBinary(SmallSchema, small).length, medium: toBinary(OrderSchema, order).length } };
for (const [size, schema, message] of [
  ["small", SmallSchema, small],
  ["medium", OrderSchema, order],
]) {
  const { encode, decode } = LIBRARIES[library](schema, message);
  for (const [verb, fn] of [
    ["encode", encode],
    ["decode", decode],
  ]) {
    perSecond(fn, Number(ms) / 2);
    result[`${verb} ${size}`] = perSecond(fn, Number(ms));
  }
}
say("result", { result });

/** Operations per second of CPU time. */
function perSecond(fn, cpuMs) {
  const from = process.cpuUsage();
  let kept;
  for (let done = 0; ; ) {
    for (let i = 0; i < BATCH; i++) kept = fn();
    done += BATCH;
    const { user, system } = process.cpuUsage(from);
    if ((user + system) / 1000 >= cpuMs) {
      if (kept === undefined) throw new Error("nothing was made");
      return (done * 1e6) / (user + system);
    }
  }
}
