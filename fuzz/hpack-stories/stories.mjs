import { Random } from "../lib/random.mjs";

/*
 * What the stories tell: header lists of gRPC calls and of a browser, one connection each, with settings of the table size
 * that come in between. Made from a seed, so that they are the same wherever they are encoded.
 */

const WORDS = ["alpha", "beta", "cart", "checkout", "gamma", "inventory", "item", "order", "price", "shop", "user"];

const grpc = (random, i) => [
  { name: ":method", value: "POST" },
  { name: ":scheme", value: random.chance(5) ? "https" : "http" },
  { name: ":path", value: `/${random.pick(WORDS)}.v1.${random.pick(WORDS)}Service/${random.pick(WORDS)}` },
  { name: ":authority", value: "10.0.0.3:50051" },
  { name: "content-type", value: "application/grpc+proto" },
  { name: "te", value: "trailers" },
  { name: "grpc-timeout", value: `${1 + random.below(9_999)}m` },
  { name: "user-agent", value: "grpc-go/1.85.0" },
  ...(random.chance(2)
    ? [{ name: "authorization", value: `Bearer ${random.next()}.${random.next()}`, sensitive: true }]
    : []),
  ...(random.chance(3) ? [{ name: "x-trace-bin", value: Buffer.from(String(random.next())).toString("base64") }] : []),
  { name: "x-request-id", value: `${i}-${random.next().toString(16)}` },
];

const browser = (random) => [
  { name: ":method", value: random.pick(["GET", "GET", "HEAD", "OPTIONS"]) },
  { name: ":scheme", value: "https" },
  { name: ":authority", value: `${random.pick(WORDS)}.example.com` },
  {
    name: ":path",
    value: `/${random.pick(WORDS)}/${random.pick(WORDS)}?q=${encodeURIComponent(random.pick(["ü", "a b", "x"]))}`,
  },
  { name: "accept", value: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8" },
  { name: "accept-encoding", value: "gzip, deflate" },
  { name: "accept-language", value: "de-CH,de;q=0.8,en;q=0.5" },
  { name: "cookie", value: `session=${random.next().toString(36)}`, sensitive: random.chance(2) },
  { name: "if-modified-since", value: `Mon, 21 Oct 2013 20:13:${10 + random.below(50)} GMT` },
  { name: "x-empty", value: "" },
  { name: "x-long", value: "0123456789abcdef".repeat(1 + random.below(40)) },
  { name: "x-bytes", value: "\t~ {}|\\^<>" },
];

const response = (random) => [
  { name: ":status", value: random.pick(["200", "200", "204", "304", "404", "418", "500"]) },
  { name: "content-type", value: random.pick(["application/grpc", "application/json", "text/html; charset=utf-8"]) },
  { name: "date", value: `Mon, 21 Oct 2013 20:${10 + random.below(50)}:21 GMT` },
  { name: "set-cookie", value: `foo=${random.next().toString(36)}; max-age=3600`, sensitive: random.chance(3) },
  { name: "grpc-status", value: String(random.below(17)) },
  { name: "grpc-message", value: random.pick(["", "not found", "%E6%97%A5", "deadline exceeded"]) },
];

const STORIES = {
  grpc: { make: grpc, sizes: {} },
  "grpc-small-table": { make: grpc, sizes: { 0: 256 } },
  browser: { make: browser, sizes: { 10: 0, 14: 4_096, 20: 100, 21: 1_000 } },
  "browser-no-table": { make: browser, sizes: { 0: 0 } },
  responses: { make: response, sizes: { 8: 64, 9: 65_536, 22: 300 } },
};

export const storyNames = Object.keys(STORIES);

/** Blocks without their octets. */
export function story(name, count = 30) {
  const { make, sizes } = STORIES[name];
  const random = new Random(name.length);
  return Array.from({ length: count }, (_, i) => ({
    ...(sizes[i] === undefined ? {} : { tableSize: sizes[i] }),
    fields: make(random, i).map(({ sensitive, ...field }) => (sensitive ? { ...field, sensitive } : field)),
  }));
}
