import { ProtocolError, ZookeeperError } from "./errors.js";
import type { JuteReader, JuteWriter } from "./jute.js";
import { type AclKind, OpCode, readStat, type Stat, writeAcl } from "./protocol.js";

/** A request and how its answer is read. */
export interface Operation<T> {
  readonly name: string;
  readonly opcode: number;
  /** For messages. */
  readonly path?: string | undefined;
  write?(writer: JuteWriter): void;
  read(reader: JuteReader): T;
}

export interface NodeData {
  readonly data: Buffer;
  readonly stat: Stat;
}

const EPHEMERAL = 1;
const nothing = (): void => undefined;

export function createOperation(path: string, data: Uint8Array, ephemeral: boolean, acl: AclKind): Operation<void> {
  return {
    name: "create",
    opcode: OpCode.create,
    path,
    write: (writer) => writeCreate(writer, path, data, ephemeral, acl),
    read: nothing,
  };
}

/** `version` -1 = whatever it is. */
export function deleteOperation(path: string, version = -1): Operation<void> {
  return {
    name: "delete",
    opcode: OpCode.delete,
    path,
    write: (writer) => void writer.text(path).int(version),
    read: nothing,
  };
}

export function setDataOperation(path: string, data: Uint8Array, version: number): Operation<Stat> {
  return {
    name: "setData",
    opcode: OpCode.setData,
    path,
    write: (writer) => void writer.text(path).buffer(data).int(version),
    read: readStat,
  };
}

export function existsOperation(path: string, watch: boolean): Operation<Stat> {
  return { name: "exists", opcode: OpCode.exists, path, write: (w) => void w.text(path).bool(watch), read: readStat };
}

export function getDataOperation(path: string, watch: boolean): Operation<NodeData> {
  return {
    name: "getData",
    opcode: OpCode.getData,
    path,
    write: (writer) => void writer.text(path).bool(watch),
    read: (reader) => ({ data: Buffer.from(reader.buffer()), stat: readStat(reader) }),
  };
}

export function childrenOperation(path: string, watch: boolean): Operation<readonly string[]> {
  return {
    name: "getChildren",
    opcode: OpCode.getChildren2,
    path,
    write: (writer) => void writer.text(path).bool(watch),
    read: (reader) => reader.texts(),
  };
}

/** `AddWatchMode.PERSISTENT_RECURSIVE`, since 3.6. */
export function addRecursiveWatchOperation(path: string): Operation<void> {
  return { name: "addWatch", opcode: OpCode.addWatch, path, write: (w) => void w.text(path).int(1), read: nothing };
}

/** All watches of this session on the path (`WatcherType.Any`), since 3.5. */
export function removeWatchesOperation(path: string): Operation<void> {
  return {
    name: "removeWatches",
    opcode: OpCode.removeWatches,
    path,
    write: (writer) => void writer.text(path).int(3),
    read: nothing,
  };
}

/** Answered when this server has heard of all that the leader knew of the path. */
export function syncOperation(path: string): Operation<void> {
  return {
    name: "sync",
    opcode: OpCode.sync,
    path,
    write: (writer) => void writer.text(path),
    read: nothing,
  };
}

/** Of this session, below a path. As new as recursive watches: 3.6. */
export function ephemeralsOperation(prefix: string): Operation<readonly string[]> {
  return {
    name: "getEphemerals",
    opcode: OpCode.getEphemerals,
    path: prefix,
    write: (writer) => void writer.text(prefix),
    read: (reader) => reader.texts(),
  };
}

export const closeOperation: Operation<void> = { name: "closeSession", opcode: OpCode.closeSession, read: nothing };

/** A step of a transaction. */
export type Step =
  | { readonly kind: "create"; readonly path: string; readonly data: Uint8Array; readonly acl: AclKind }
  | { readonly kind: "delete"; readonly path: string; readonly version: number };

const ERROR_RESULT = -1;

/** All steps or none, `create` with ephemeral nodes. Fails with the error of the step that failed. */
export function transaction(steps: readonly Step[]): Operation<void> {
  return {
    name: "multi",
    opcode: OpCode.multi,
    path: steps[0]?.path,
    write(writer) {
      for (const step of steps) {
        const opcode = step.kind === "create" ? OpCode.create : OpCode.delete;
        writer.int(opcode).bool(false).int(-1);
        if (step.kind === "create") writeCreate(writer, step.path, step.data, true, step.acl);
        else writer.text(step.path).int(step.version);
      }
      writer.int(-1).bool(true).int(-1);
    },
    read(reader) {
      // Steps before the one that failed have error 0, those after it RUNTIME_INCONSISTENCY (-2).
      for (let index = 0; ; index++) {
        const type = reader.int();
        const done = reader.bool();
        const headerError = reader.int();
        if (done) return;
        if (type === ERROR_RESULT) {
          const error = reader.int();
          const code = error === 0 ? headerError : error;
          const step = steps[index];
          if (code !== 0 && code !== -2) throw new ZookeeperError(`multi: ${step?.kind}`, code, step?.path);
        } else if (type === OpCode.create) reader.text();
        else if (type !== OpCode.delete) throw new ProtocolError(`a result of type ${type} in a transaction`);
      }
    },
  };
}

function writeCreate(w: JuteWriter, path: string, data: Uint8Array, ephemeral: boolean, acl: AclKind): void {
  w.text(path).buffer(data);
  writeAcl(w, acl);
  w.int(ephemeral ? EPHEMERAL : 0);
}
