import { HessianError } from "./hessian-error.js";

const fail = (at: number) => new HessianError(`malformed UTF-8 in a string at byte ${at}`);

/**
 * `units` UTF-16 units from `at`. Java and Go write each unit as UTF-8 of its own (CESU-8), so a surrogate pair is six bytes;
 * four-byte sequences of plain UTF-8 are read as well and count as two units.
 *
 * @returns the text, and where it ended.
 */
export function readText(bytes: Buffer, at: number, units: number): [text: string, end: number] {
  const asciiEnd = at + units;
  let i = at;
  while (i < asciiEnd && (bytes[i] as number) < 0x80) i++;
  if (i === asciiEnd) return [bytes.toString("latin1", at, asciiEnd), asciiEnd];

  const parts = [bytes.toString("latin1", at, i)];
  const codes: number[] = [];
  const trailing = (): number => {
    const byte = bytes[i++];
    if (byte === undefined || (byte & 0xc0) !== 0x80) throw fail(i - 1);
    return byte & 0x3f;
  };
  let left = units - (i - at);
  while (left > 0) {
    const lead = bytes[i++];
    if (lead === undefined) throw new HessianError(`the bytes end within a string that wants ${left} more characters`);
    if (lead < 0x80) codes.push(lead);
    else if (lead >= 0xc0 && lead < 0xe0) codes.push(((lead & 0x1f) << 6) | trailing());
    else if (lead >= 0xe0 && lead < 0xf0) codes.push(((lead & 0x0f) << 12) | (trailing() << 6) | trailing());
    else if (lead >= 0xf0 && lead < 0xf5 && left >= 2) {
      const point = (((lead & 0x07) << 18) | (trailing() << 12) | (trailing() << 6) | trailing()) - 0x10000;
      if (point < 0 || point > 0xfffff) throw fail(i - 4);
      codes.push(0xd800 | (point >> 10), 0xdc00 | (point & 0x3ff));
      left--;
    } else throw fail(i - 1);
    left--;
    if (codes.length >= 4_096) parts.push(String.fromCharCode(...codes.splice(0)));
  }
  parts.push(String.fromCharCode(...codes));
  return [parts.join(""), i];
}
