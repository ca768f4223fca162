// The scalar productions of http://hessian.caucho.com/doc/hessian-serialization.html, each in its shortest form.
import type { ByteSink } from "./byte-sink.js";

/** UTF-16 units or bytes in a chunk: what Java and Go write, well below the 65 535 that the length can say. */
const chunkSize = 0x8000;

export function writeInt(sink: ByteSink, value: number): void {
  if (value >= -0x10 && value <= 0x2f) sink.u8(0x90 + value);
  else if (value >= -0x800 && value <= 0x7ff) {
    sink.u8(0xc8 + (value >> 8));
    sink.u8(value & 0xff);
  } else if (value >= -0x40000 && value <= 0x3ffff) {
    sink.u8(0xd4 + (value >> 16));
    sink.u16(value);
  } else {
    sink.u8(0x49);
    sink.i32(value);
  }
}

export function writeLong(sink: ByteSink, value: bigint): void {
  if (value < -0x80000000n || value > 0x7fffffffn) {
    sink.u8(0x4c);
    sink.i64(value);
    return;
  }
  const small = Number(value);
  if (small >= -0x08 && small <= 0x0f) sink.u8(0xe0 + small);
  else if (small >= -0x800 && small <= 0x7ff) {
    sink.u8(0xf8 + (small >> 8));
    sink.u8(small & 0xff);
  } else if (small >= -0x40000 && small <= 0x3ffff) {
    sink.u8(0x3c + (small >> 16));
    sink.u16(small);
  } else {
    sink.u8(0x59);
    sink.i32(small);
  }
}

/** Without 0x5f: the specification calls it a float, Java multiplies an int by 0.001, Go divides it by 1000. */
export function writeDouble(sink: ByteSink, value: number): void {
  if (!Number.isInteger(value) || Object.is(value, -0) || value < -0x8000 || value > 0x7fff) {
    sink.u8(0x44);
    sink.f64(value);
  } else if (value === 0) sink.u8(0x5b);
  else if (value === 1) sink.u8(0x5c);
  else if (value >= -0x80 && value <= 0x7f) {
    sink.u8(0x5d);
    sink.u8(value & 0xff);
  } else {
    sink.u8(0x5e);
    sink.u16(value);
  }
}

/** @param ms - since 1970, integral. */
export function writeDate(sink: ByteSink, ms: number): void {
  const minutes = ms / 60_000;
  if (Number.isInteger(minutes) && minutes >= -0x80000000 && minutes <= 0x7fffffff) {
    sink.u8(0x4b);
    sink.i32(minutes);
  } else {
    sink.u8(0x4a);
    sink.i64(BigInt(ms));
  }
}

const isHighSurrogate = (unit: number) => unit >= 0xd800 && unit <= 0xdbff;

export function writeString(sink: ByteSink, text: string): void {
  let from = 0;
  while (text.length - from > chunkSize) {
    // "String chunks may not split surrogate pairs."
    const to = from + chunkSize - (isHighSurrogate(text.charCodeAt(from + chunkSize - 1)) ? 1 : 0);
    sink.u8(0x52);
    sink.u16(to - from);
    sink.units(text, from, to);
    from = to;
  }
  const rest = text.length - from;
  if (rest <= 0x1f) sink.u8(rest);
  else if (rest <= 0x3ff) {
    sink.u8(0x30 + (rest >> 8));
    sink.u8(rest & 0xff);
  } else {
    sink.u8(0x53);
    sink.u16(rest);
  }
  sink.units(text, from, text.length);
}

export function writeBytes(sink: ByteSink, bytes: Uint8Array): void {
  let from = 0;
  while (bytes.length - from > chunkSize) {
    sink.u8(0x41);
    sink.u16(chunkSize);
    sink.append(bytes.subarray(from, from + chunkSize));
    from += chunkSize;
  }
  const rest = bytes.subarray(from);
  if (rest.length <= 0x0f) sink.u8(0x20 + rest.length);
  else if (rest.length <= 0x3ff) {
    sink.u8(0x34 + (rest.length >> 8));
    sink.u8(rest.length & 0xff);
  } else {
    sink.u8(0x42);
    sink.u16(rest.length);
  }
  sink.append(rest);
}
