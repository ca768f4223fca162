import type { FieldList } from "@dubhe/http2";
import { decodeBinaryHeader, encodeBinaryHeader } from "./base64.js";
import { headerName, headerValue, isReservedHeader } from "./header-rules.js";

/** What can be given as headers: an object, pairs (also a `Headers` or a `Map`), or Metadata. Bytes are for names that end in `-bin`. */
export type MetadataInit =
  | Metadata
  | Iterable<readonly [string, string | Uint8Array]>
  | { readonly [name: string]: string | Uint8Array | readonly string[] | undefined };

/**
 * Headers or trailers of a call. It has the methods of the Web's `Headers`, but is a view of the decoded header block
 * until it is written to, and knows gRPC's binary values.
 *
 * Names are folded to lower case. A name that ends in `-bin` holds bytes: `get` returns their base64, `getBinary` the
 * bytes. Writing an invalid name or value, or one that the protocol owns (`grpc-…`, `content-type`, `te`, …), throws a
 * TypeError. Pseudo-headers (`:path`) are not shown.
 */
export class Metadata implements Iterable<[string, string]> {
  #fields: FieldList;
  #own: string[] | undefined;
  /** What to ask for the fields when they are first wanted. */
  #source: (() => FieldList | undefined) | undefined;

  constructor(init?: MetadataInit) {
    this.#fields = none;
    if (init !== undefined) appendMetadata(this.#writable(), init);
  }

  /** A view; nothing is copied. The list must not change afterwards. */
  static fromFields(fields: FieldList): Metadata {
    const metadata = new Metadata();
    metadata.#fields = fields;
    return metadata;
  }

  /** A view of what `source` returns once it returns something; empty until then, and not to be written to before. */
  static fromSource(source: () => FieldList | undefined): Metadata {
    const metadata = new Metadata();
    metadata.#source = source;
    return metadata;
  }

  /** Whether there is no field at all. */
  get isEmpty(): boolean {
    return this.#view().length === 0;
  }

  /** Adds those fields to a list that may be sent. @internal */
  appendTo(out: string[]): void {
    const fields = this.#view();
    for (let i = 0; i < fields.length; i += 2) {
      const name = fields[i] as string;
      if (!isReservedHeader(name)) out.push(name, fields[i + 1] as string);
    }
  }

  /** The first value's text; several values are joined with `, ` as `Headers` does. Null when there is none. */
  get(name: string): string | null {
    const lower = name.toLowerCase();
    const fields = this.#view();
    let value: string | null = null;
    for (let i = 0; i < fields.length; i += 2) {
      if (fields[i] === lower) value = value === null ? (fields[i + 1] as string) : `${value}, ${fields[i + 1]}`;
    }
    return value;
  }

  getAll(name: string): string[] {
    const lower = name.toLowerCase();
    const fields = this.#view();
    const values: string[] = [];
    for (let i = 0; i < fields.length; i += 2) if (fields[i] === lower) values.push(fields[i + 1] as string);
    return values;
  }

  /** The first value of a `-bin` header; undefined when there is none. Throws when it is not base64. */
  getBinary(name: string): Uint8Array | undefined {
    return this.getAllBinary(name)[0];
  }

  /** All values: of repeated headers, and of one that joins them with commas (PROTOCOL-HTTP2.md allows both). */
  getAllBinary(name: string): Uint8Array[] {
    requireBinaryName(name.toLowerCase());
    const values: Uint8Array[] = [];
    for (const joined of this.getAll(name)) {
      for (const text of joined.split(",")) {
        const bytes = decodeBinaryHeader(text);
        if (bytes === undefined) throw new Error(`header ${name} is not base64: ${JSON.stringify(text.slice(0, 64))}`);
        values.push(bytes);
      }
    }
    return values;
  }

  has(name: string): boolean {
    const lower = name.toLowerCase();
    const fields = this.#view();
    for (let i = 0; i < fields.length; i += 2) if (fields[i] === lower) return true;
    return false;
  }

  set(name: string, value: string): void {
    const lower = writableName(name);
    const checked = checkedValue(lower, value);
    this.#remove(lower);
    this.#writable().push(lower, checked);
  }

  append(name: string, value: string): void {
    const lower = writableName(name);
    this.#writable().push(lower, checkedValue(lower, value));
  }

  setBinary(name: string, value: Uint8Array): void {
    const lower = writableName(name);
    requireBinaryName(lower);
    this.#remove(lower);
    this.#writable().push(lower, encodeBinaryHeader(value));
  }

  appendBinary(name: string, value: Uint8Array): void {
    const lower = writableName(name);
    requireBinaryName(lower);
    this.#writable().push(lower, encodeBinaryHeader(value));
  }

  delete(name: string): void {
    this.#remove(name.toLowerCase());
  }

  /** One entry a header field, in the order of the wire; a repeated name appears again. */
  *entries(): IterableIterator<[string, string]> {
    const fields = this.#view();
    for (let i = 0; i < fields.length; i += 2) {
      const name = fields[i] as string;
      if (!name.startsWith(":")) yield [name, fields[i + 1] as string];
    }
  }

  *keys(): IterableIterator<string> {
    for (const [name] of this.entries()) yield name;
  }

  *values(): IterableIterator<string> {
    for (const [, value] of this.entries()) yield value;
  }

  forEach(fn: (value: string, name: string) => void): void {
    for (const [name, value] of this.entries()) fn(value, name);
  }

  [Symbol.iterator](): IterableIterator<[string, string]> {
    return this.entries();
  }

  /** For logs: values by name, several values as a list. */
  toJSON(): Record<string, string | string[]> {
    // Not an object at first: a peer may call its header `constructor`.
    const out = new Map<string, string | string[]>();
    for (const [name, value] of this.entries()) {
      const old = out.get(name);
      if (old === undefined) out.set(name, value);
      else if (typeof old === "string") out.set(name, [old, value]);
      else old.push(value);
    }
    return Object.fromEntries(out);
  }

  #remove(lower: string): void {
    if (!this.has(lower)) return;
    const kept: string[] = [];
    const fields = this.#view();
    for (let i = 0; i < fields.length; i += 2) {
      if (fields[i] !== lower) kept.push(fields[i] as string, fields[i + 1] as string);
    }
    this.#own = kept;
    this.#fields = kept;
  }

  #view(): FieldList {
    if (this.#source !== undefined) {
      const fields = this.#source();
      if (fields !== undefined) {
        this.#fields = fields;
        this.#source = undefined;
      }
    }
    return this.#fields;
  }

  /** Copies what was only viewed before the first write. */
  #writable(): string[] {
    if (this.#own === undefined) {
      this.#own = this.#view().slice();
      this.#fields = this.#own;
    }
    return this.#own;
  }
}

const none: FieldList = [];

/**
 * Adds what may be sent to a field list. An object or pairs were written by the caller, so a reserved name is an error;
 * Metadata may be what a peer sent and is being forwarded, so reserved names in it are left out.
 */
export function appendMetadata(out: string[], init: MetadataInit): void {
  if (init instanceof Metadata) {
    init.appendTo(out);
    return;
  }
  if (Symbol.iterator in init) {
    for (const [name, value] of init as Iterable<readonly [string, string | Uint8Array]>) appendField(out, name, value);
    return;
  }
  const object = init as { readonly [name: string]: string | Uint8Array | readonly string[] | undefined };
  for (const name in object) {
    const value = object[name];
    if (value === undefined) continue;
    if (typeof value === "string" || value instanceof Uint8Array) appendField(out, name, value);
    else for (const one of value) appendField(out, name, one);
  }
}

function appendField(out: string[], name: string, value: string | Uint8Array): void {
  const lower = writableName(name);
  if (typeof value === "string") {
    out.push(lower, checkedValue(lower, value));
  } else {
    requireBinaryName(lower);
    out.push(lower, encodeBinaryHeader(value));
  }
}

function writableName(name: string): string {
  const lower = headerName(name);
  if (isReservedHeader(lower)) throw new TypeError(`header ${lower} is written by the protocol and cannot be set`);
  return lower;
}

function checkedValue(lower: string, value: string): string {
  if (lower.endsWith("-bin") && decodeBinaryHeader(value) === undefined) {
    throw new TypeError(`header ${lower} holds bytes: use setBinary(), or give base64`);
  }
  return headerValue(lower, value);
}

function requireBinaryName(lower: string): void {
  if (!lower.endsWith("-bin")) throw new TypeError(`header ${lower} is not binary: its name must end in -bin`);
}
