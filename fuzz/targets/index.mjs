/** One module each: `seeds()`, `run(input)`, `covers` and perhaps `mutate(input, random, other)` and `maxLength`; see the README. */
export const TARGETS = [
  "frame-reader",
  "server-connection",
  "client-connection",
  "hpack-decoder",
  "huffman",
  "envelope",
  "protobuf",
  "text-fields",
  "plain-unary",
  "compression",
  "hessian2",
  "dubbo-protocol",
];

export async function loadTarget(name) {
  return import(`./${name}.mjs`);
}
