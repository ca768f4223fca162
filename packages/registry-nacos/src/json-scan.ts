/**
 * Finding values in JSON text without parsing it, on its UTF-8 bytes: in UTF-8 no byte of a longer character looks like a
 * quote or a bracket. Only what is walked over is checked: who uses a slice parses it, and what is wrong within shows there.
 *
 * Every function takes an index and gives one, or -1 where the text is not JSON.
 */
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
export const OPEN_BRACKET = 0x5b;
export const CLOSE_BRACKET = 0x5d;

/** The four characters that JSON takes for white space. */
export function skipSpace(bytes: Uint8Array, at: number): number {
  let i = at;
  for (;;) {
    const c = bytes[i];
    if (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09) return i;
    i++;
  }
}

/** From the opening quote to behind the closing one. */
export function skipString(bytes: Uint8Array, at: number): number {
  const end = bytes.length;
  for (let i = at + 1; i < end; i++) {
    const c = bytes[i];
    if (c === QUOTE) return i + 1;
    if (c === BACKSLASH) i++;
  }
  return -1;
}

/** From the first character of a value to behind its last one. */
export function skipValue(bytes: Uint8Array, at: number): number {
  const first = bytes[at];
  if (first === QUOTE) return skipString(bytes, at);
  if (first === OPEN_BRACE || first === OPEN_BRACKET) return skipNested(bytes, at);
  let i = at;
  while (i < bytes.length && !endsScalar(bytes[i] as number)) i++;
  return i === at ? -1 : i;
}

/** Brackets are counted, whichever they are. */
function skipNested(bytes: Uint8Array, at: number): number {
  const end = bytes.length;
  let depth = 0;
  for (let i = at; i < end; i++) {
    const c = bytes[i] as number;
    if (c === QUOTE) {
      i++;
      while (i < end) {
        const inner = bytes[i];
        if (inner === QUOTE) break;
        i += inner === BACKSLASH ? 2 : 1;
      }
    } else if (c === OPEN_BRACE || c === OPEN_BRACKET) {
      depth++;
    } else if ((c === CLOSE_BRACE || c === CLOSE_BRACKET) && --depth === 0) {
      return i + 1;
    }
  }
  return -1;
}

function endsScalar(c: number): boolean {
  return c === COMMA || c === CLOSE_BRACE || c === CLOSE_BRACKET || c <= 0x20;
}

/**
 * In the object that begins at `at`: where the value of the first member called `name` begins that begins with `opener`. A
 * name that is written with escapes is not recognised.
 */
export function findMember(bytes: Uint8Array, at: number, name: string, opener: "{" | "["): number {
  const opens = opener.charCodeAt(0);
  if (bytes[at] !== OPEN_BRACE) return -1;
  let i = skipSpace(bytes, at + 1);
  for (;;) {
    if (bytes[i] !== QUOTE) return -1;
    const end = skipString(bytes, i);
    if (end < 0) return -1;
    const found = end - i === name.length + 2 && startsWith(bytes, i + 1, name);
    i = skipSpace(bytes, end);
    if (bytes[i] !== COLON) return -1;
    i = skipSpace(bytes, i + 1);
    if (found && bytes[i] === opens) return i;
    i = skipValue(bytes, i);
    if (i < 0) return -1;
    i = skipSpace(bytes, i);
    if (bytes[i] !== COMMA) return -1;
    i = skipSpace(bytes, i + 1);
  }
}

/** `text` is ASCII. */
function startsWith(bytes: Uint8Array, at: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text.charCodeAt(i)) return false;
  return true;
}

/**
 * Walks over the elements of the array that begins at `at`: adds where each begins and ends to `bounds`, and pauses now and then.
 * Returns the index behind the array.
 */
export function* walkElements(bytes: Uint8Array, at: number, bounds: number[]): Generator<void, number> {
  let i = skipSpace(bytes, at + 1);
  if (bytes[i] === CLOSE_BRACKET) return i + 1;
  for (let count = 1; ; count++) {
    const end = skipValue(bytes, i);
    if (end < 0) return -1;
    bounds.push(i, end);
    i = skipSpace(bytes, end);
    if (bytes[i] === CLOSE_BRACKET) return i + 1;
    if (bytes[i] !== COMMA) return -1;
    i = skipSpace(bytes, i + 1);
    if (count % ELEMENTS_A_STEP === 0) yield;
  }
}

/** Elements between two pauses: few enough for a millisecond, many enough that pausing costs nothing. */
export const ELEMENTS_A_STEP = 16;
