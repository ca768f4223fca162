// The payloads of the echo cases; the same function as `pattern` of the grpc-go peer.

/** Byte i depends on the seed and on i, so that a shifted, swapped or truncated payload shows. */
export function pattern(seed, size) {
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i++) bytes[i] = (i * 31 + (i >>> 8) + seed * 17) & 0xff;
  return bytes;
}

/** Throws, with the bytes around, where two payloads differ first. */
export function assertSame(got, want, what) {
  if (Buffer.compare(got, want) === 0) return;
  const shorter = Math.min(got.length, want.length);
  let at = 0;
  while (at < shorter && got[at] === want[at]) at += 1;
  const around = (b) => Buffer.from(b.subarray(Math.max(0, at - 8), at + 8)).toString("hex");
  throw new Error(
    `${what}: payload differs at byte ${at}: got ${got.length} bytes […${around(got)}…], want ${want.length} […${around(want)}…]`,
  );
}

const table = new Uint32Array(256);
for (let n = 0; n < 256; n++) {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  table[n] = c >>> 0;
}

/** CRC-32 (IEEE), continued from `before`. (node:zlib has one from Node 22.2 on.) */
export function crc32(bytes, before = 0) {
  let c = ~before;
  for (let i = 0; i < bytes.length; i++) c = table[(c ^ bytes[i]) & 0xff] ^ (c >>> 8);
  return ~c >>> 0;
}
