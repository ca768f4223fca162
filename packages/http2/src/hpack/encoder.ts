import type { FieldList, HeaderTemplate } from "../types.js";
import { DEFAULT_TABLE_SIZE } from "./decoder.js";
import { DynamicTable } from "./dynamic-table.js";
import { fieldProblem, valueProblemOf } from "./field-rules.js";
import { STATIC_NAMES, STATIC_SIZE } from "./static-table.js";
import { ENTRY_OVERHEAD, TableEntry } from "./table-entry.js";
import {
  copyTo,
  INDEXED,
  LITERAL,
  LITERAL_INDEXED,
  LITERAL_NEVER_INDEXED,
  SIZE_UPDATE,
  writeInteger,
  writeLiteral,
} from "./write.js";

/**
 * Fields that no table may hold, here or at an intermediary (RFC 7541 §7.1.3). Their value is a credential, which a
 * table would let an attacker guess piece by piece.
 */
const NEVER_INDEXED: ReadonlySet<string> = new Set(["authorization", "proxy-authorization", "cookie", "set-cookie"]);

/**
 * Names whose value differs from call to call. The first occurrence enters the table with its value, so that later ones
 * name the field by index: the peer then makes no string for the name. None of them carries a secret.
 */
const INDEXED_NAMES: ReadonlySet<string> = new Set([
  "grpc-timeout",
  "grpc-message",
  "grpc-status-details-bin",
  "traceparent",
  "tracestate",
  "x-request-id",
]);

/** Representation octet, table index and both lengths: what a field takes beside its octets. */
const FIELD_OVERHEAD = 18;
/** Two size updates. */
const UPDATES_BOUND = 12;
/** An encoder keeps this many templates' encodings; a caller with more makes templates per call, which is a mistake. */
const MAX_TEMPLATES = 512;
/** And what it knows of this many names of fields beside the templates, with values no longer than this. */
const MAX_EXTRA_NAMES = 128;
const MAX_CACHED_VALUE = 64;

interface TemplateState {
  /** Largest encoding, whatever the table holds. */
  readonly bound: number;
  /** The encoding under table version `version`. */
  bytes: Uint8Array | undefined;
  version: number;
}

/** A name of fields beside the templates: all there is to know, found by one look-up. */
interface ExtraName {
  readonly form: number;
  readonly staticValues: ReadonlyMap<string, number> | undefined;
  /** The table version that `index` and `bytes` are good for. */
  version: number;
  /** Index of the name; 0 = in no table. */
  index: number;
  /** The last value, and the encoded field once the value was repeated. */
  lastValue: string | undefined;
  bytes: Uint8Array | undefined;
}

/**
 * The sending side of HPACK, one a connection.
 *
 * The dynamic table is filled once and never evicted from: a template's fields enter it at first use while there is
 * room, and from then on the template is one cached run of octets, copied. Fields beside the template are literals that
 * leave the table alone, so the cached runs stay valid.
 *
 * Blocks must reach the peer in the order they were encoded, none left out.
 */
export class HpackEncoder {
  private readonly table: DynamicTable = new DynamicTable(DEFAULT_TABLE_SIZE);
  private readonly ownLimit: number;
  /** Entry number by name, and by field: the first that was inserted. */
  private readonly names: Map<string, number> = new Map();
  private readonly fields: Map<string, number> = new Map();
  private readonly templates: Map<HeaderTemplate, TemplateState> = new Map();
  private readonly extraNames: Map<string, ExtraName> = new Map();
  private lastTemplate: HeaderTemplate | undefined = undefined;
  private lastState: TemplateState | undefined = undefined;
  /** Size updates owed at the start of the next block: the smallest size since the last one, then the size in force. */
  private owedMinimum: number | undefined = undefined;

  /** @param maxTableSize octets this side is willing to use, however much the peer allows. Default 4096. */
  constructor(maxTableSize: number = DEFAULT_TABLE_SIZE) {
    this.ownLimit = maxTableSize;
    if (maxTableSize < DEFAULT_TABLE_SIZE) this.setPeerMaxTableSize(DEFAULT_TABLE_SIZE);
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE. Takes effect, and is announced, with the next block. */
  setPeerMaxTableSize(size: number): void {
    const capacity = Math.min(size, this.ownLimit);
    if (capacity === this.table.capacity) return;
    this.owedMinimum = Math.min(capacity, this.owedMinimum ?? capacity);
    this.table.resize(capacity);
    // Indices may have left the table; and where room was gained, templates get another chance to enter.
    this.table.version++;
    this.reindex();
  }

  /** How many octets `encode` may write at most. Counts UTF-16 units: a character is an octet or an error. */
  bound(template: HeaderTemplate | undefined, extra?: FieldList): number {
    let bound = UPDATES_BOUND;
    if (template !== undefined) bound += this.stateOf(template).bound;
    if (extra !== undefined) bound += boundOf(extra);
    return bound;
  }

  /**
   * Writes the block and returns the offset after it; `out` must have `bound(template, extra)` octets of room. Throws
   * TypeError on a field HTTP/2 forbids, before anything is written.
   */
  encode(template: HeaderTemplate | undefined, extra: FieldList | undefined, out: Uint8Array, offset: number): number {
    if (extra !== undefined) this.checkExtra(extra);
    const state = template === undefined ? undefined : this.stateOf(template);
    let at = this.owedMinimum === undefined ? offset : this.writeSizeUpdates(out, offset);
    if (template !== undefined && state !== undefined) at = this.writeTemplate(template, state, out, at);
    if (extra !== undefined) {
      for (let i = 0; i < extra.length; i += 2) at = this.writeExtra(extra[i]!, extra[i + 1]!, out, at);
    }
    return at;
  }

  private stateOf(template: HeaderTemplate): TemplateState {
    if (template === this.lastTemplate) return this.lastState!;
    let state = this.templates.get(template);
    if (state === undefined) {
      checkFields(template.fields);
      if (this.templates.size === MAX_TEMPLATES) this.templates.clear();
      state = { bound: boundOf(template.fields), bytes: undefined, version: -1 };
      this.templates.set(template, state);
    }
    this.lastTemplate = template;
    this.lastState = state;
    return state;
  }

  private writeTemplate(template: HeaderTemplate, state: TemplateState, out: Uint8Array, offset: number): number {
    const cached = state.bytes;
    if (cached !== undefined && state.version === this.table.version) {
      return copyTo(cached, out, offset);
    }
    const version = this.table.version;
    const fields = template.fields;
    let at = offset;
    for (let i = 0; i < fields.length; i += 2) at = this.writeTemplateField(fields[i]!, fields[i + 1]!, out, at);
    // With insertions these octets are good once only; the next use is all references.
    if (this.table.version === version) {
      state.bytes = out.slice(offset, at);
      state.version = version;
    }
    return at;
  }

  private writeTemplateField(name: string, value: string, out: Uint8Array, offset: number): number {
    if (NEVER_INDEXED.has(name)) {
      return writeLiteral(LITERAL_NEVER_INDEXED, this.nameIndex(name), name, value, out, offset);
    }
    const index = this.fieldIndex(name, value);
    if (index > 0) return writeInteger(index, 7, INDEXED, out, offset);
    return this.writeInserting(name, value, out, offset);
  }

  /** Like checkFields, but a known name was checked before, and so was its last value. */
  private checkExtra(extra: FieldList): void {
    for (let i = 0; i < extra.length; i += 2) {
      const name = extra[i]!;
      const value = extra[i + 1];
      const known = this.extraNames.get(name);
      if (known === undefined || value === undefined) checkField(name, value);
      else if (known.lastValue !== value) rejectProblem(name, valueProblemOf(name, value));
    }
  }

  private writeExtra(name: string, value: string, out: Uint8Array, offset: number): number {
    const known = this.extraNames.get(name) ?? this.learnExtraName(name);
    if (known.version !== this.table.version) {
      known.version = this.table.version;
      known.index = this.nameIndex(name);
      known.bytes = undefined;
    }
    const repeated = known.lastValue === value;
    if (repeated && known.bytes !== undefined) return copyTo(known.bytes, out, offset);
    const staticIndex = known.staticValues?.get(value);
    if (staticIndex !== undefined) return writeInteger(staticIndex, 7, INDEXED, out, offset);
    if (known.form === LITERAL_INDEXED && known.index === 0) return this.writeInserting(name, value, out, offset);
    const form = known.form === LITERAL_NEVER_INDEXED ? LITERAL_NEVER_INDEXED : LITERAL;
    const end = writeLiteral(form, known.index, name, value, out, offset);
    known.lastValue = value.length <= MAX_CACHED_VALUE ? value : undefined;
    known.bytes = repeated ? out.slice(offset, end) : undefined;
    return end;
  }

  private learnExtraName(name: string): ExtraName {
    let form = LITERAL;
    if (NEVER_INDEXED.has(name)) form = LITERAL_NEVER_INDEXED;
    else if (INDEXED_NAMES.has(name)) form = LITERAL_INDEXED;
    const staticValues = STATIC_NAMES.get(name)?.values;
    const known = { form, staticValues, version: -1, index: 0, lastValue: undefined, bytes: undefined };
    if (this.extraNames.size === MAX_EXTRA_NAMES) this.extraNames.clear();
    this.extraNames.set(name, known);
    return known;
  }

  /** A literal that enters the table while there is room. */
  private writeInserting(name: string, value: string, out: Uint8Array, offset: number): number {
    const index = this.nameIndex(name);
    const size = name.length + value.length + ENTRY_OVERHEAD;
    if (!this.table.hasRoom(size)) return writeLiteral(LITERAL, index, name, value, out, offset);
    const end = writeLiteral(LITERAL_INDEXED, index, name, value, out, offset);
    const entry = new TableEntry(name, value);
    this.table.insert(entry);
    this.note(entry, this.table.inserted - 1);
    return end;
  }

  private fieldIndex(name: string, value: string): number {
    const known = STATIC_NAMES.get(name)?.values?.get(value);
    if (known !== undefined) return known;
    const number = this.fields.get(fieldKey(name, value));
    return number === undefined ? 0 : this.indexOf(number);
  }

  private nameIndex(name: string): number {
    const known = STATIC_NAMES.get(name);
    if (known !== undefined) return known.index;
    const number = this.names.get(name);
    return number === undefined ? 0 : this.indexOf(number);
  }

  private indexOf(entryNumber: number): number {
    return STATIC_SIZE + this.table.inserted - entryNumber;
  }

  private note(entry: TableEntry, number: number): void {
    if (!this.names.has(entry.name)) this.names.set(entry.name, number);
    const key = fieldKey(entry.name, entry.value);
    if (!this.fields.has(key)) this.fields.set(key, number);
  }

  /** After an eviction: forget what left the table. */
  private reindex(): void {
    this.names.clear();
    this.fields.clear();
    for (let position = this.table.length; position > 0; position--) {
      this.note(this.table.at(position)!, this.table.inserted - position);
    }
  }

  /** RFC 7541 §4.2: a minimum that was in force between two blocks must be announced, then the size that is. */
  private writeSizeUpdates(out: Uint8Array, offset: number): number {
    let at = offset;
    if (this.owedMinimum! < this.table.capacity) at = writeInteger(this.owedMinimum!, 5, SIZE_UPDATE, out, at);
    this.owedMinimum = undefined;
    return writeInteger(this.table.capacity, 5, SIZE_UPDATE, out, at);
  }
}

/** Names hold no NUL, so the pair is unambiguous. */
function fieldKey(name: string, value: string): string {
  return `${name}\0${value}`;
}

function boundOf(fields: FieldList): number {
  let bound = 0;
  for (let i = 0; i < fields.length; i += 2) bound += fields[i]!.length + fields[i + 1]!.length + FIELD_OVERHEAD;
  return bound;
}

function checkFields(fields: FieldList): void {
  for (let i = 0; i < fields.length; i += 2) checkField(fields[i]!, fields[i + 1]);
}

function checkField(name: string, value: string | undefined): void {
  if (value === undefined) throw new TypeError(`header field ${name} has no value`);
  rejectProblem(name, fieldProblem(name, value));
}

function rejectProblem(name: string, problem: string | undefined): void {
  if (problem !== undefined) throw new TypeError(`${problem}: ${JSON.stringify(name)}`);
}
