/** Scratch memory, to see the bits of a number as those of another type without allocating. */
const words = new Uint32Array(2);
const double = new Float64Array(words.buffer);
const signed = new BigInt64Array(words.buffer);
const unsigned = new BigUint64Array(words.buffer);
const float = new Float32Array(words.buffer, 0, 1);
/** In which word of a 64-bit number its low half lies: depends on the processor. */
const low = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? 0 : 1;
const high = 1 - low;

export function doubleOf(lowBits: number, highBits: number): number {
  words[low] = lowBits;
  words[high] = highBits;
  return double[0] as number;
}

export function floatOf(bits: number): number {
  words[0] = bits;
  return float[0] as number;
}

export function int64Of(lowBits: number, highBits: number): bigint {
  words[low] = lowBits;
  words[high] = highBits;
  return signed[0] as bigint;
}

export function uint64Of(lowBits: number, highBits: number): bigint {
  words[low] = lowBits;
  words[high] = highBits;
  return unsigned[0] as bigint;
}

/** Puts a number here, whose halves `lowHalf` and `highHalf` then give. */
export function splitDouble(value: number): void {
  double[0] = value;
}

/** The same of a 64-bit integer, or of the 64 low bits of a larger one. Returns whether it is a signed one. */
export function splitInt64(value: bigint): boolean {
  signed[0] = value;
  return signed[0] === value;
}

/** Returns whether `value` is an unsigned 64-bit integer. */
export function splitUint64(value: bigint): boolean {
  unsigned[0] = value;
  return unsigned[0] === value;
}

export function lowHalf(): number {
  return words[low] as number;
}

export function highHalf(): number {
  return words[high] as number;
}

export function bitsOfFloat(value: number): number {
  float[0] = value;
  return words[0] as number;
}
