import type { DecodedBlock } from "../hpack/index.js";

/*
 * What a request, a response and trailers must look like (RFC 9113 §8.1 to §8.3). Field names and values were judged by
 * the decoder. Each function returns why the block is malformed, or undefined.
 */

/** Marks of the pseudo-header fields of a request. */
const METHOD = 1;
const SCHEME = 2;
const PATH = 4;
const AUTHORITY = 8;

export function requestProblem(block: DecodedBlock): string | undefined {
  if (block.malformed !== undefined) return block.malformed;
  const { fields, pseudoFields } = block;
  let seen = 0;
  let connect = false;
  for (let i = 0; i < pseudoFields; i++) {
    const name = fields[2 * i]!;
    const value = fields[2 * i + 1]!;
    const mark = requestMark(name);
    if (mark === 0) return `unexpected ${name} in a request`;
    if ((seen & mark) !== 0) return `repeated ${name}`;
    seen |= mark;
    if (mark === METHOD) connect = value === "CONNECT";
    else if (mark === PATH && value === "") return "empty :path";
  }
  const required = connect ? METHOD | AUTHORITY : METHOD | SCHEME | PATH;
  if ((seen & required) !== required) return "a pseudo-header field is missing";
  if (connect && seen !== required) return "CONNECT with :scheme or :path";
  return undefined;
}

function requestMark(name: string): number {
  switch (name) {
    case ":method":
      return METHOD;
    case ":scheme":
      return SCHEME;
    case ":path":
      return PATH;
    case ":authority":
      return AUTHORITY;
    default:
      return 0;
  }
}

export function responseProblem(block: DecodedBlock): string | undefined {
  if (block.malformed !== undefined) return block.malformed;
  if (block.pseudoFields !== 1 || block.fields[0] !== ":status") return "a response needs :status and nothing like it";
  const status = block.fields[1]!;
  if (status === "200") return undefined;
  if (!/^[1-9][0-9][0-9]$/.test(status)) return "malformed :status";
  if (status === "101") return "101 has no meaning in HTTP/2";
  return undefined;
}

/** 1xx: more HEADERS follow. Of a sound response block. */
export function isInformational(block: DecodedBlock): boolean {
  return block.fields[1]!.charCodeAt(0) === 0x31;
}

export function trailersProblem(block: DecodedBlock): string | undefined {
  return block.malformed ?? (block.pseudoFields > 0 ? "pseudo-header field in trailers" : undefined);
}

/** The value of content-length: -1 when there is none, NaN when it is malformed or contradicts itself. */
export function contentLengthOf(block: DecodedBlock): number {
  const { fields } = block;
  let length = -1;
  for (let i = 2 * block.pseudoFields; i < fields.length; i += 2) {
    if (fields[i] !== "content-length") continue;
    const value = fields[i + 1]!;
    const parsed = /^[0-9]{1,15}$/.test(value) ? Number(value) : Number.NaN;
    if (length !== -1 && parsed !== length) return Number.NaN;
    length = parsed;
  }
  return length;
}
