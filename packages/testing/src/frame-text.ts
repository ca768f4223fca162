import { ErrorCode, errorCodeName, HpackDecoder } from "@dubhe/http2";

/*
 * HTTP/2 frames as lines of text, both ways. One frame is
 *
 *     TYPE [stream] [FLAG …] [argument …]
 *
 *     SETTINGS INITIAL_WINDOW_SIZE=0 0x99=7        SETTINGS ACK
 *     HEADERS 1 END_STREAM :method=POST :path="/a b"
 *     HEADERS 1 -END_HEADERS name=value            CONTINUATION 1 name=value
 *     DATA 1 END_STREAM "hello"                    DATA 1 *1000          DATA 1 pad=10 *5
 *     RST_STREAM 1 CANCEL                          WINDOW_UPDATE 0 1000
 *     PING 7                                       PING ACK 7
 *     GOAWAY 5 NO_ERROR "debug"                    PRIORITY 3 on=1
 *     PUSH_PROMISE 1                               0xee 1 flags=0xff hex=00ff
 *     RAW 505249                                   (bytes as they are, also broken ones)
 *
 * `*n` is n bytes of "x". `flags=`, `length=` and `hex=` override what the rest says, for frames that break the rules.
 */

const TYPES = [
  "DATA",
  "HEADERS",
  "PRIORITY",
  "RST_STREAM",
  "SETTINGS",
  "PUSH_PROMISE",
  "PING",
  "GOAWAY",
  "WINDOW_UPDATE",
  "CONTINUATION",
];
const SETTINGS: Readonly<Record<string, number>> = {
  HEADER_TABLE_SIZE: 1,
  ENABLE_PUSH: 2,
  MAX_CONCURRENT_STREAMS: 3,
  INITIAL_WINDOW_SIZE: 4,
  MAX_FRAME_SIZE: 5,
  MAX_HEADER_LIST_SIZE: 6,
};
const [DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS_FRAME, , PING, GOAWAY, WINDOW_UPDATE, CONTINUATION] =
  TYPES.keys() as unknown as [number, number, number, number, number, number, number, number, number, number];
const FLAG_END_STREAM = 1;
const FLAG_END_HEADERS = 4;
const FLAG_PADDED = 8;
const FLAG_PRIORITY = 32;

/** Printable text of up to this many bytes is shown as such; the rest as `*n`. */
const SHOWN_TEXT = 80;

/** What a client sends before its first frame. */
export const PREFACE = "RAW 505249202a20485454502f322e300d0a0d0a534d0d0a0d0a";

/** The bytes of these frames. Header fields become plain HPACK literals, which depend on no table. */
export function frameBytes(...lines: readonly string[]): Uint8Array {
  return Buffer.concat(lines.map(oneFrame));
}

function oneFrame(line: string): Uint8Array {
  const [name = "", ...words] = tokens(line);
  if (name === "RAW") return Buffer.from(words.join(""), "hex");
  const type = name.startsWith("0x") ? Number(name) : TYPES.indexOf(name);
  if (type < 0 || Number.isNaN(type)) throw new SyntaxError(`unknown frame type in: ${line}`);
  const hasStream = type !== SETTINGS_FRAME && type !== PING && type !== GOAWAY;
  const streamId = Number(take(words, /^stream=/)?.slice(7) ?? (hasStream ? words.shift() : 0));
  let flags = 0;
  if (takeWord(words, "END_STREAM")) flags |= FLAG_END_STREAM;
  if (takeWord(words, "ACK")) flags |= 1;
  if ((type === HEADERS || type === CONTINUATION) && !takeWord(words, "-END_HEADERS")) flags |= FLAG_END_HEADERS;
  const padding = take(words, /^pad=\d+$/);
  const dependency = type === HEADERS ? take(words, /^on=\d+$/) : undefined;
  const flagsGiven = take(words, /^flags=/);
  const lengthGiven = take(words, /^length=/);
  const hex = take(words, /^hex=/);
  let payload = hex === undefined ? payloadOf(type, words) : Buffer.from(hex.slice(4), "hex");
  if (dependency !== undefined) {
    flags |= FLAG_PRIORITY;
    payload = Buffer.concat([uint32(Number(dependency.slice(3))), Buffer.of(15), payload]);
  }
  if (padding !== undefined) {
    flags |= FLAG_PADDED;
    payload = Buffer.concat([Buffer.of(Number(padding.slice(4))), payload, Buffer.alloc(Number(padding.slice(4)))]);
  }
  if (flagsGiven !== undefined) flags = Number(flagsGiven.slice(6));
  const header = Buffer.alloc(9);
  header.writeUIntBE(lengthGiven === undefined ? payload.length : Number(lengthGiven.slice(7)), 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(streamId, 5);
  return Buffer.concat([header, payload]);
}

function payloadOf(type: number, words: string[]): Buffer {
  switch (type) {
    case DATA:
      return Buffer.concat(words.map(dataOf));
    case HEADERS:
    case CONTINUATION:
      return Buffer.concat(words.map(literalField));
    case PRIORITY:
      return Buffer.concat([uint32(Number(words[0]?.slice(3))), Buffer.of(15)]);
    case RST_STREAM:
      return uint32(codeOf(words[0]));
    case SETTINGS_FRAME:
      return Buffer.concat(words.map(setting));
    case PING:
      return Buffer.concat([Buffer.alloc(4), uint32(Number(words[0] ?? 0))]);
    case GOAWAY:
      return Buffer.concat([uint32(Number(words[0])), uint32(codeOf(words[1])), ...words.slice(2).map(dataOf)]);
    case WINDOW_UPDATE:
      return uint32(Number(words[0]));
    default:
      return Buffer.concat(words.map(dataOf));
  }
}

/** Splits at blanks outside of double quotes, which stay for whoever reads the token. */
function tokens(line: string): string[] {
  return line.trim().match(/(?:"(?:[^"\\]|\\.)*"|[^\s"])+/g) ?? [];
}

function unquote(text: string): string {
  return text.startsWith('"') ? (JSON.parse(text) as string) : text;
}

function take(words: string[], pattern: RegExp): string | undefined {
  const index = words.findIndex((word) => pattern.test(word));
  return index < 0 ? undefined : words.splice(index, 1)[0];
}

function takeWord(words: string[], word: string): boolean {
  const index = words.indexOf(word);
  if (index >= 0) words.splice(index, 1);
  return index >= 0;
}

function dataOf(word: string): Buffer {
  if (/^\*\d+$/.test(word)) return Buffer.alloc(Number(word.slice(1)), "x");
  return Buffer.from(unquote(word), "latin1");
}

function literalField(word: string): Buffer {
  const at = word.indexOf("=", 1);
  if (at < 0) throw new SyntaxError(`a header field needs name=value: ${word}`);
  return Buffer.concat([Buffer.of(0), literal(word.slice(0, at)), literal(unquote(word.slice(at + 1)))]);
}

function literal(text: string): Buffer {
  const bytes = Buffer.from(text, "latin1");
  if (bytes.length < 127) return Buffer.concat([Buffer.of(bytes.length), bytes]);
  const prefix = [127];
  let rest = bytes.length - 127;
  for (; rest > 127; rest >>= 7) prefix.push((rest & 127) | 128);
  return Buffer.concat([Buffer.from([...prefix, rest]), bytes]);
}

function setting(word: string): Buffer {
  const [name = "", value] = word.split("=");
  const entry = Buffer.alloc(6);
  entry.writeUInt16BE(SETTINGS[name] ?? Number(name));
  entry.writeUInt32BE(Number(value), 2);
  return entry;
}

function codeOf(word: string | undefined): number {
  return (ErrorCode as Readonly<Record<string, number>>)[word ?? "NO_ERROR"] ?? Number(word);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

/** Reads what one side writes, back into text. Keeps HPACK state and incomplete frames from call to call. */
export class FrameTextReader {
  private readonly decoder = new HpackDecoder({ maxHeaderListSize: 1 << 24 });
  private rest: Buffer = Buffer.alloc(0);
  private fragments: Buffer[] = [];
  private prefaceDue: boolean;

  /** @param fromClient the bytes begin with the client's preface, which is shown as `PREFACE`. */
  constructor(fromClient: boolean) {
    this.prefaceDue = fromClient;
  }

  read(bytes: Uint8Array): string[] {
    this.rest = Buffer.concat([this.rest, bytes]);
    const lines: string[] = [];
    if (this.prefaceDue && this.rest.length >= 24) {
      lines.push(this.rest.subarray(0, 24).equals(frameBytes(PREFACE)) ? "PREFACE" : "WRONG PREFACE");
      this.rest = this.rest.subarray(24);
      this.prefaceDue = false;
    }
    while (!this.prefaceDue && this.rest.length >= 9) {
      const end = 9 + this.rest.readUIntBE(0, 3);
      if (this.rest.length < end) break;
      lines.push(this.describe(this.rest.subarray(0, end)));
      this.rest = this.rest.subarray(end);
    }
    return lines;
  }

  private describe(frame: Buffer): string {
    const type = frame[3]!;
    const flags = frame[4]!;
    const streamId = frame.readUInt32BE(5);
    const payload = frame.subarray(9);
    const name = TYPES[type] ?? `0x${type.toString(16)}`;
    const words = [name];
    if (type !== SETTINGS_FRAME && type !== PING && type !== GOAWAY) words.push(String(streamId));
    if ((type === DATA || type === HEADERS) && (flags & FLAG_END_STREAM) !== 0) words.push("END_STREAM");
    if ((type === SETTINGS_FRAME || type === PING) && (flags & 1) !== 0) words.push("ACK");
    words.push(...this.details(type, flags, payload));
    return words.join(" ");
  }

  private details(type: number, flags: number, payload: Buffer): string[] {
    switch (type) {
      case DATA:
        return payload.length === 0 ? [] : [shown(payload)];
      case HEADERS:
      case CONTINUATION:
        return this.block(flags, payload);
      case RST_STREAM:
        return [errorCodeName(payload.readUInt32BE())];
      case SETTINGS_FRAME:
        return settingsOf(payload);
      case PING:
        return [String(payload.readUInt32BE(4))];
      case GOAWAY: {
        const debug = payload.subarray(8);
        const words = [String(payload.readUInt32BE()), errorCodeName(payload.readUInt32BE(4))];
        return debug.length === 0 ? words : [...words, JSON.stringify(debug.toString())];
      }
      case WINDOW_UPDATE:
        return [String(payload.readUInt32BE())];
      default:
        return payload.length === 0 ? [] : [`hex=${payload.toString("hex")}`];
    }
  }

  private block(flags: number, payload: Buffer): string[] {
    this.fragments.push(payload);
    if ((flags & FLAG_END_HEADERS) === 0) return ["-END_HEADERS"];
    const { fields } = this.decoder.decode(new Uint8Array(Buffer.concat(this.fragments)));
    this.fragments = [];
    return fieldText(fields);
  }
}

/** `name=value` for each field; values with blanks, quotes or nothing in them are quoted. */
export function fieldText(fields: readonly string[]): string[] {
  const words: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const value = fields[i + 1]!;
    words.push(`${fields[i]}=${/^[^\s"]+$/.test(value) ? value : JSON.stringify(value)}`);
  }
  return words;
}

function settingsOf(payload: Buffer): string[] {
  const names = Object.keys(SETTINGS);
  const words: string[] = [];
  for (let at = 0; at < payload.length; at += 6) {
    const id = payload.readUInt16BE(at);
    words.push(`${names[id - 1] ?? `0x${id.toString(16)}`}=${payload.readUInt32BE(at + 2)}`);
  }
  return words;
}

function shown(payload: Buffer): string {
  const text = payload.toString("latin1");
  const plain = payload.length <= SHOWN_TEXT && /^[\x20-\x7e]*$/.test(text) && !/^x{9,}$/.test(text);
  return plain ? JSON.stringify(text) : `*${payload.length}`;
}
