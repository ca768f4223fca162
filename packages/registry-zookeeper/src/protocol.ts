import { ProtocolError } from "./errors.js";
import { JuteReader, JuteWriter } from "./jute.js";

/** `ZooDefs.OpCode`, as far as we use it. */
export const OpCode = {
  create: 1,
  delete: 2,
  exists: 3,
  getData: 4,
  setData: 5,
  sync: 9,
  ping: 11,
  getChildren2: 12,
  multi: 14,
  removeWatches: 18,
  auth: 100,
  setWatches: 101,
  getEphemerals: 103,
  setWatches2: 105,
  addWatch: 106,
  closeSession: -11,
} as const;

/** Packets that are no answers to numbered requests. */
export const Xid = { notification: -1, ping: -2, auth: -4, setWatches: -8 } as const;

/** `Watcher.Event.EventType`. */
export const EventType = { created: 1, deleted: 2, dataChanged: 3, childrenChanged: 4 } as const;

export type AclKind = "open" | "creator";

export interface Stat {
  /** The transaction that made the node. */
  readonly czxid: bigint;
  /** The one that changed its data last. */
  readonly mzxid: bigint;
  /** Of its data, counted from 0; what a compare-and-set compares. */
  readonly version: number;
  /** Of its children. */
  readonly cversion: number;
  /** The session whose end is the node's; 0 for a persistent one. */
  readonly ephemeralOwner: bigint;
}

export interface ConnectRequest {
  readonly lastZxid: bigint;
  readonly timeoutMs: number;
  /** 0 for a new session. */
  readonly sessionId: bigint;
  readonly password: Uint8Array;
}

export interface ConnectResponse {
  /** What the server grants; 0: there is no such session any more. */
  readonly timeoutMs: number;
  readonly sessionId: bigint;
  readonly password: Buffer;
}

export interface ReplyHeader {
  readonly xid: number;
  readonly zxid: bigint;
  readonly error: number;
}

export interface WatchEvent {
  readonly type: number;
  readonly path: string;
}

export const SESSION_PASSWORD_LENGTH = 16;

/** A packet with its length in front. */
export function packet(write: (writer: JuteWriter) => void, size?: number): Buffer {
  const writer = new JuteWriter(size);
  writer.int(0);
  write(writer);
  const bytes = writer.finish();
  bytes.writeInt32BE(bytes.length - 4, 0);
  return bytes;
}

export function connectPacket({ lastZxid, timeoutMs, sessionId, password }: ConnectRequest): Buffer {
  // Protocol version 0; the last byte says that a read-only server would not do (3.4 and later).
  return packet((w) => w.int(0).long(lastZxid).int(timeoutMs).long(sessionId).buffer(password).bool(false));
}

export function readConnectResponse(bytes: Buffer): ConnectResponse {
  const reader = new JuteReader(bytes);
  reader.int();
  return { timeoutMs: reader.int(), sessionId: reader.long(), password: Buffer.from(reader.buffer()) };
}

export function requestPacket(xid: number, opcode: number, write?: (writer: JuteWriter) => void): Buffer {
  return packet((w) => {
    w.int(xid).int(opcode);
    write?.(w);
  });
}

export function readReplyHeader(reader: JuteReader): ReplyHeader {
  return { xid: reader.int(), zxid: reader.long(), error: reader.int() };
}

export function readWatchEvent(reader: JuteReader): WatchEvent {
  const type = reader.int();
  reader.int(); // the state of the session, which we know better
  const path = reader.text();
  if (!path.startsWith("/")) throw new ProtocolError(`an event of a node without a path: ${JSON.stringify(path)}`);
  return { type, path };
}

export function readStat(reader: JuteReader): Stat {
  const czxid = reader.long();
  const mzxid = reader.long();
  reader.long(); // ctime
  reader.long(); // mtime
  const version = reader.int();
  const cversion = reader.int();
  reader.int(); // aversion
  const ephemeralOwner = reader.long();
  reader.int(); // length of the data
  reader.int(); // number of children
  reader.long(); // pzxid
  return { czxid, mzxid, version, cversion, ephemeralOwner };
}

const ALL_PERMISSIONS = 31;

/** "creator": everybody who authenticated as whoever creates the node, and nobody else. */
export function writeAcl(writer: JuteWriter, acl: AclKind): void {
  const [scheme, id] = acl === "open" ? ["world", "anyone"] : ["auth", ""];
  writer.int(1).int(ALL_PERMISSIONS).text(scheme).text(id);
}
