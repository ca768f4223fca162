import { type Instance, instanceKey, type MalformedInstance, sameInstance } from "@dubhe/discovery";
import { isMalformed, preferred, readHost } from "./instance-codec.js";
import { asArray, asNumber, asObject, type JsonObject } from "./json.js";
import { ELEMENTS_A_STEP, findMember, OPEN_BRACKET, skipSpace, walkElements } from "./json-scan.js";
import { parseAround, parseBody, parseValue } from "./payload.js";

/** What one host of a list was read as. */
type HostRead = Instance | MalformedInstance;

/** A list as it was read, with what makes reading the next one cheap. */
export interface InstanceList {
  readonly instances: readonly Instance[];
  readonly malformed: readonly MalformedInstance[];
  /** The JSON array of hosts; undefined when the message had to be parsed as a whole. A part of the message's memory, or a copy. */
  readonly bytes: Uint8Array | undefined;
  /** By the bytes of a host's JSON, one character each. */
  readonly reads: ReadonlyMap<string, HostRead>;
  readonly byIdentity: ReadonlyMap<string, Instance>;
}

export interface ListCounters {
  /** Hosts that were parsed. */
  parsed: number;
  /** Hosts whose bytes were those of one that is held. */
  reused: number;
  /** Messages that had to be parsed as a whole. */
  whole: number;
}

/** What the hosts of a message are read for. */
export interface WantedList {
  readonly application: string;
  readonly held: InstanceList | undefined;
  /** Of two hosts with the same one, one counts. Default: the address. */
  readonly identity?: (instance: Instance) => string;
}

/** What the reader of a list message asks of its user. */
export interface ListUser {
  /** The list that is held for the service that the message is about; `info` is its `serviceInfo` up to the hosts. */
  heldFor(info: JsonObject): InstanceList | undefined;
  /**
   * The message without its hosts, and whether there are any. Returns what its hosts are to be read for, or undefined when nobody wants them; throws to
   * refuse the message.
   */
  open(message: JsonObject, hasList: boolean): WantedList | undefined;
}

/** Memory of a message is kept with a list that has at least so many bytes; a shorter one is copied. */
const OWN_MEMORY_BYTES = 64 * 1024;

/**
 * Reads a message with a `serviceInfo`, in small steps: whoever drives it decides when to go on. Work grows with what is new:
 *
 * 1. Up to the hosts. If the array of hosts has the bytes of the one that is held, nothing else is looked at but the rest.
 * 2. Otherwise the array is cut into its elements, by counting brackets.
 * 3. The message without the array is parsed: everything but the hosts, and a check of the message's form.
 * 4. An element whose bytes are those of a held one is that one; others are parsed, each for itself.
 *
 * What comes out is what parsing the whole message would give, for any JSON. Where the array cannot be found (names
 * with escapes, doubled names) the whole is parsed.
 *
 * @throws NacosProtocolError when the message is no JSON.
 */
export function* readList(
  type: string,
  raw: Uint8Array,
  user: ListUser,
  counters: ListCounters,
): Generator<void, InstanceList | undefined> {
  const at = hostsAt(raw);
  if (at < 0) return readWhole(type, raw, user, counters);
  const beginning = parseAround(type, raw, at, raw.length, "[]}}");
  const expected = user.heldFor(asObject(beginning.serviceInfo));
  let end = sameHosts(raw, at, expected) ? at + (expected?.bytes?.length ?? 0) : -1;
  const identical = end >= 0;
  const bounds: number[] = [];
  if (!identical) {
    end = yield* walkElements(raw, at, bounds);
    if (end < 0) return readWhole(type, raw, user, counters);
  }
  const message = parseAround(type, raw, at, end, JSON.stringify(MARK));
  // Not so when a name is doubled: then the last one counts.
  if (asObject(message.serviceInfo).hosts !== MARK) return readWhole(type, raw, user, counters);
  const wanted = user.open(message, true);
  if (wanted === undefined) return undefined;
  const { application, held } = wanted;
  if (identical && held === expected) return held;
  if (identical) for (const _ of walkElements(raw, at, bounds));
  const bytes = raw.subarray(at, end);
  const builder = new ListBuilder(held, counters, wanted.identity);
  for (let i = 0; i < bounds.length; i += 2) {
    const element = raw.subarray(bounds[i], bounds[i + 1]);
    const text = latin1(element);
    builder.add(text, () => readHost(parseValue(type, element), application, i / 2));
    if ((i / 2) % ELEMENTS_A_STEP === ELEMENTS_A_STEP - 1) yield;
  }
  return yield* builder.finish(bytes.length < OWN_MEMORY_BYTES ? bytes.slice() : bytes);
}

/** Stands for the hosts in a message that is parsed without them. */
const MARK = "dubhe:hosts";

function hostsAt(raw: Uint8Array): number {
  const info = findMember(raw, skipSpace(raw, 0), "serviceInfo", "{");
  return info < 0 ? -1 : findMember(raw, info, "hosts", "[");
}

/** The bytes of a whole array, found where an array begins, are that array. */
function sameHosts(raw: Uint8Array, at: number, held: InstanceList | undefined): boolean {
  const bytes = held?.bytes;
  if (bytes === undefined || raw[at] !== OPEN_BRACKET || raw.length - at < bytes.length) return false;
  return Buffer.compare(raw.subarray(at, at + bytes.length), bytes) === 0;
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

function readWhole(type: string, raw: Uint8Array, user: ListUser, counters: ListCounters): InstanceList | undefined {
  counters.whole += 1;
  const message = parseBody(type, raw);
  const { hosts } = asObject(message.serviceInfo);
  const wanted = user.open(message, Array.isArray(hosts));
  if (wanted === undefined) return undefined;
  const builder = new ListBuilder(wanted.held, counters, wanted.identity);
  asArray(hosts).forEach((host, index) => builder.add(undefined, () => readHost(host, wanted.application, index)));
  const finishing = builder.finish(undefined);
  for (;;) {
    const { done, value } = finishing.next();
    if (done === true) return value;
  }
}

/** Puts a list together; gives the held one back when it says the same. */
class ListBuilder {
  readonly #held: InstanceList | undefined;
  readonly #counters: ListCounters;
  readonly #identity: (instance: Instance) => string;
  readonly #reads = new Map<string, HostRead>();
  readonly #byIdentity = new Map<string, Instance>();
  readonly #malformed: MalformedInstance[] = [];

  constructor(
    held: InstanceList | undefined,
    counters: ListCounters,
    identity: (instance: Instance) => string = instanceKey,
  ) {
    this.#identity = identity;
    this.#held = held;
    this.#counters = counters;
  }

  add(text: string | undefined, parse: () => HostRead): void {
    let read = text === undefined ? undefined : this.#held?.reads.get(text);
    if (read === undefined) {
      this.#counters.parsed += 1;
      read = parse();
    } else {
      this.#counters.reused += 1;
    }
    if (text !== undefined) this.#reads.set(text, read);
    if (isMalformed(read)) {
      this.#malformed.push(read);
      return;
    }
    const key = this.#identity(read);
    const twin = this.#byIdentity.get(key);
    this.#byIdentity.set(key, twin === undefined ? read : preferred(twin, read));
  }

  *finish(bytes: Uint8Array | undefined): Generator<void, InstanceList> {
    const list = { bytes, reads: this.#reads, byIdentity: this.#byIdentity };
    const held = this.#held;
    if (held !== undefined && (yield* this.#saysTheSame(held)))
      return { ...list, instances: held.instances, malformed: held.malformed };
    return { ...list, instances: [...this.#byIdentity.values()], malformed: this.#malformed };
  }

  /** The server's order means nothing. */
  *#saysTheSame(held: InstanceList): Generator<void, boolean> {
    if (held.byIdentity.size !== this.#byIdentity.size) return false;
    let count = 0;
    for (const [key, instance] of this.#byIdentity) {
      const before = held.byIdentity.get(key);
      if (before === undefined || !sameInstance(before, instance)) return false;
      // Whoever compares the next list with this one finds the same object.
      if (before !== instance) this.#byIdentity.set(key, before);
      if (++count % (8 * ELEMENTS_A_STEP) === 0) yield;
    }
    return sameMalformed(held.malformed, this.#malformed);
  }
}

function sameMalformed(a: readonly MalformedInstance[], b: readonly MalformedInstance[]): boolean {
  if (a.length !== b.length) return false;
  const lines = (list: readonly MalformedInstance[]): string =>
    list
      .map(({ id, reason }) => `${id} ${reason}`)
      .sort()
      .join("\n");
  return a.length === 0 || lines(a) === lines(b);
}

/** When the server made the list, by its clock, ms; undefined when it does not say. */
export function lastRefTimeOf(info: JsonObject): number | undefined {
  const time = asNumber(info.lastRefTime, 0);
  return time > 0 ? time : undefined;
}
