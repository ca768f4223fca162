import { HpackError } from "./errors.js";
import { CODE_LENGTHS, CODES } from "./huffman-codes.js";

const EOS = 256;
const LENGTHS: Uint8Array = Uint8Array.from(CODE_LENGTHS);
const CODE_OF: Int32Array = Int32Array.from(CODES);

/** Octets the Huffman form of an octet string needs. Characters above 0xff count as nothing; callers reject them. */
export function huffmanLength(text: string): number {
  let bits = 0;
  for (let i = 0; i < text.length; i++) bits += LENGTHS[text.charCodeAt(i) & 0xff]!;
  return (bits + 7) >>> 3;
}

/** Writes the Huffman form (RFC 7541 §5.2) and returns the offset after it. There must be room. */
export function huffmanEncode(text: string, out: Uint8Array, offset: number): number {
  let pending = 0; // its low `bits` bits wait for a whole octet; bits < 8 between symbols
  let bits = 0;
  for (let i = 0; i < text.length; i++) {
    const symbol = text.charCodeAt(i) & 0xff;
    let code = CODE_OF[symbol]!;
    let length = LENGTHS[symbol]!;
    if (length > 24) {
      // With up to 7 pending bits, more than 24 would not fit in 32: the high part goes first.
      length -= 16;
      pending = (pending << length) | (code >>> 16);
      bits += length;
      while (bits >= 8) {
        bits -= 8;
        out[offset++] = pending >>> bits;
      }
      code &= 0xffff;
      length = 16;
    }
    pending = (pending << length) | code;
    bits += length;
    while (bits >= 8) {
      bits -= 8;
      out[offset++] = pending >>> bits;
    }
  }
  // Padding is the most significant bits of EOS: all ones.
  if (bits > 0) out[offset++] = (pending << (8 - bits)) | (0xff >>> bits);
  return offset;
}

/*
 * Decoding walks the code tree four bits a step. A step goes from one inner node of the tree to another and emits at
 * most one symbol (the shortest code has five bits). STEPS[node * 16 + nibble] holds, from the low end: the symbol (8
 * bits), whether there is one (1 bit), the next node. Negative = not a code: EOS, which must not appear (§5.2).
 */
const INVALID = -1;
const { steps: STEPS, padding: PADDING } = buildSteps();

interface Tree {
  /** Children of node n at 2n and 2n+1: an inner node, or ~symbol for a leaf. 0 = none yet (the root is no child). */
  readonly children: number[];
}

function buildTree(): Tree {
  const children = [0, 0];
  for (let symbol = 0; symbol <= EOS; symbol++) {
    let node = 0;
    for (let bit = CODE_LENGTHS[symbol]! - 1; bit > 0; bit--) {
      const at = node * 2 + ((CODES[symbol]! >>> bit) & 1);
      if (children[at] === 0) {
        children[at] = children.length / 2;
        children.push(0, 0);
      }
      node = children[at]!;
    }
    children[node * 2 + (CODES[symbol]! & 1)] = ~symbol;
  }
  return { children };
}

function buildSteps(): { steps: Int32Array; padding: Uint8Array } {
  const { children } = buildTree();
  const nodes = children.length / 2;
  const steps = new Int32Array(nodes * 16);
  for (let from = 0; from < nodes; from++) {
    for (let nibble = 0; nibble < 16; nibble++) {
      let node = from;
      let emitted = 0;
      let invalid = false;
      for (let bit = 3; bit >= 0; bit--) {
        const child = children[node * 2 + ((nibble >>> bit) & 1)]!;
        if (child > 0) {
          node = child;
          continue;
        }
        if (~child === EOS) {
          invalid = true;
          break;
        }
        emitted = 0x100 | ~child;
        node = 0;
      }
      steps[from * 16 + nibble] = invalid ? INVALID : (node << 9) | emitted;
    }
  }
  // A string may end after a whole code or within up to seven bits of padding, all ones.
  const padding = new Uint8Array(nodes);
  for (let node = 0, depth = 0; depth < 8; depth++) {
    padding[node] = 1;
    node = children[node * 2 + 1]!;
  }
  return { steps, padding };
}

/**
 * Decodes `bytes[start, end)` into `out` and returns the number of octets written. `out` must hold 8/5 of the input,
 * rounded up.
 */
export function huffmanDecode(bytes: Uint8Array, start: number, end: number, out: Uint8Array): number {
  let node = 0;
  let length = 0;
  for (let i = start; i < end; i++) {
    const octet = bytes[i]!;
    let step = STEPS[(node << 4) | (octet >>> 4)]!;
    if (step < 0) throw new HpackError("EOS in a Huffman string");
    if ((step & 0x100) !== 0) out[length++] = step;
    step = STEPS[((step >>> 9) << 4) | (octet & 15)]!;
    if (step < 0) throw new HpackError("EOS in a Huffman string");
    if ((step & 0x100) !== 0) out[length++] = step;
    node = step >>> 9;
  }
  if (PADDING[node] === 0) throw new HpackError("bad padding of a Huffman string");
  return length;
}
