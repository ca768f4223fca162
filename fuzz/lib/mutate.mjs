/** Numbers at the edges of what protocols count: lengths, windows, varints. */
export const INTERESTING = [
  0, 1, 2, 7, 8, 9, 15, 16, 31, 32, 62, 63, 64, 65, 126, 127, 128, 129, 254, 255, 256, 1023, 1024, 4095, 4096, 16_383,
  16_384, 16_385, 32_767, 32_768, 65_535, 65_536, 0xff_ffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff,
];

export function concat(...parts) {
  let size = 0;
  for (const part of parts) size += part.length;
  const out = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

export function splice(input, at, remove, insert = []) {
  return concat(input.subarray(0, at), Uint8Array.from(insert), input.subarray(at + remove));
}

/** One change that knows nothing of the format; `other` is another input, to take a part of. */
export function mutateBytes(input, random, other) {
  if (input.length === 0) return Uint8Array.from({ length: 1 + random.small(16) }, () => random.below(256));
  const at = random.below(input.length);
  switch (random.below(10)) {
    case 0:
      return changed(input, at, input[at] ^ (1 << random.below(8)));
    case 1:
      return changed(input, at, random.below(256));
    case 2:
      return changed(input, at, random.pick(INTERESTING));
    case 3:
      return changed(input, at, input[at] + (random.chance(2) ? 1 : -1) * (1 + random.below(4)));
    case 4:
      return splice(input, at, 1 + random.small(input.length - at));
    case 5:
      return splice(
        input,
        at,
        0,
        Array.from({ length: 1 + random.small(12) }, () => random.below(256)),
      );
    case 6: {
      const from = random.below(input.length);
      return splice(input, at, 0, input.subarray(from, from + 1 + random.small(input.length - from)));
    }
    case 7: {
      const wide = random.pick(INTERESTING);
      const size = random.pick([2, 3, 4]);
      const bytes = Array.from({ length: size }, (_, i) => (wide >>> (8 * (size - 1 - i))) & 0xff);
      return splice(input, at, size, bytes);
    }
    case 8:
      return input.slice(0, at);
    default: {
      if (other === undefined || other.length === 0) return splice(input, at, 0, [random.below(256)]);
      const from = random.below(other.length);
      return concat(
        input.subarray(0, at),
        other.subarray(from, from + 1 + random.small(other.length - from)),
        input.subarray(at),
      );
    }
  }
}

function changed(input, at, value) {
  const out = input.slice();
  out[at] = value;
  return out;
}
