import type { Clock, Runtime } from "@dubhe/concurrency";
import { FrameReader } from "../frame-reader.js";
import { JuteReader, JuteWriter } from "../jute.js";
import { EventType, OpCode, Xid } from "../protocol.js";
import type { ByteSink, ByteStream, Transport } from "../transport.js";
import type { ServerAddress } from "../url.js";
import { Refusal, type Znode, ZnodeTree } from "./znode-tree.js";

interface FakeSession {
  readonly id: bigint;
  readonly password: Buffer;
  readonly timeoutMs: number;
  link: Link | undefined;
  timer: { cancel(): void } | undefined;
}

interface Link {
  readonly send: (bytes: Buffer) => void;
  /** What the peer sees as the end. */
  readonly hangUp: (error?: Error) => void;
  readonly watches: { data: Set<string>; child: Set<string>; recursive: Set<string> };
  readonly auth: string[];
  session: FakeSession | undefined;
}

const NAMES = new Map<number, string>(Object.entries(OpCode).map(([name, code]) => [code, name]));

/** Requests that begin with the path that they are about. */
const ONE_PATH: ReadonlySet<number> = new Set([
  OpCode.create,
  OpCode.delete,
  OpCode.setData,
  OpCode.exists,
  OpCode.getData,
  OpCode.getChildren2,
]);

function pathOf(frame: Buffer): string {
  const reader = new JuteReader(frame);
  reader.int();
  reader.int();
  return reader.text();
}

/**
 * A ZooKeeper server in memory and in virtual time: the protocol to the byte, sessions that expire, watches, transactions. What can
 * go wrong goes wrong on demand. Several addresses are several doors to the same data.
 */
export class FakeZookeeper implements Transport {
  readonly tree: ZnodeTree;
  /** Requests by name, pings left out. */
  readonly requests = new Map<string, number>();
  /** The longest request, bytes, by name. */
  readonly longest = new Map<string, number>();
  /** False: as before 3.6. */
  recursive = true;
  /** Doors that take no connection, and those that take it and say nothing. */
  readonly down = new Set<number>();
  frozen = false;
  /** Whether there is no quorum: everybody is hung up on. */
  alone = false;
  latencyMs = 1;
  handshakes = 0;
  /** Asked before each request: lose the connection `before` it is done, or `after`, before its answer. */
  fault: ((name: string) => "before" | "after" | undefined) | undefined;
  /** Asked before each request: refuse it. The path is "" where a request has none, or several. */
  refuse: ((name: string, path: string) => ConstructorParameters<typeof Refusal>[0] | undefined) | undefined;
  /** What servers that lag behind the leader answer to `getData` until a `sync`; undefined: no such node. */
  readonly lagging = new Map<string, string | undefined>();
  /** What is sent instead of a packet, if anything. */
  corrupt: ((packet: Buffer) => Buffer) | undefined;
  readonly #clock: Clock;
  readonly #sessions = new Map<bigint, FakeSession>();
  readonly #links = new Set<Link>();
  #lastSession = 0x1000_0000_0000_0000n;
  #thawed: (() => void)[] = [];

  constructor(runtime: Runtime) {
    this.#clock = runtime.clock;
    this.tree = new ZnodeTree((type, path) => this.#fire(type, path));
  }

  get sessions(): number {
    return this.#sessions.size;
  }

  get connections(): number {
    return this.#links.size;
  }

  /** As the server counts them. */
  get watches(): number {
    let count = 0;
    for (const { watches } of this.#links) count += watches.data.size + watches.child.size + watches.recursive.size;
    return count;
  }

  count(name: string): number {
    return this.requests.get(name) ?? 0;
  }

  /** Every user that authenticated on a connection that is open. */
  get users(): readonly string[] {
    return [...this.#links].flatMap((link) => link.auth);
  }

  breakConnections(): void {
    for (const link of [...this.#links]) link.hangUp(new Error("reset by the test"));
  }

  /** Ends the sessions (or one), as their timeout would. */
  expire(id?: bigint): void {
    for (const session of [...this.#sessions.values()]) if (id === undefined || session.id === id) this.#end(session);
  }

  /** As without a leader, who counts the time of sessions. */
  stopSessionTimers(): void {
    for (const session of this.#sessions.values()) session.timer?.cancel();
  }

  freeze(): void {
    this.frozen = true;
  }

  thaw(): void {
    this.frozen = false;
    for (const fn of this.#thawed.splice(0)) fn();
  }

  /** With `wipe` everything is forgotten; else sessions and data are as they were. */
  restart({ wipe = false } = {}): void {
    this.breakConnections();
    if (!wipe) return;
    for (const session of this.#sessions.values()) session.timer?.cancel();
    this.#sessions.clear();
    this.tree.clear();
  }

  open(server: ServerAddress, sink: ByteSink): ByteStream {
    const clock = this.#clock;
    const frames = new FrameReader();
    let open = true;
    let established = false;
    const later = (fn: () => void): void => {
      clock.setTimeout(() => {
        if (this.frozen && !this.down.has(server.port)) this.#thawed.push(() => open && fn());
        else if (open) fn();
      }, this.latencyMs);
    };
    const link: Link = {
      send: (bytes) => later(() => sink.received(this.corrupt?.(bytes) ?? bytes)),
      hangUp: (error) => {
        this.#links.delete(link);
        if (link.session?.link === link) link.session.link = undefined;
        later(() => {
          open = false;
          sink.closed(error);
        });
      },
      watches: { data: new Set(), child: new Set(), recursive: new Set() },
      auth: [],
      session: undefined,
    };
    clock.setTimeout(() => {
      if (!open) return;
      if (this.down.has(server.port)) {
        open = false;
        sink.closed(new Error("connect ECONNREFUSED"));
        return;
      }
      established = true;
      this.#links.add(link);
      sink.opened();
    }, this.latencyMs);
    return {
      write: (bytes) => {
        const copy = Buffer.from(bytes);
        later(() => {
          if (!established || !this.#links.has(link)) return;
          frames.receive(copy, (frame) => {
            this.#frame(link, frame);
            return this.#links.has(link);
          });
        });
      },
      destroy: () => {
        open = false;
        this.#links.delete(link);
        if (link.session?.link === link) link.session.link = undefined;
      },
      keepAlive: () => undefined,
    };
  }

  #frame(link: Link, frame: Buffer): void {
    const reader = new JuteReader(frame);
    if (link.session === undefined) return this.#handshake(link, reader);
    this.#touch(link.session);
    const xid = reader.int();
    const opcode = reader.int();
    if (opcode === OpCode.ping) return this.#reply(link, xid, 0);
    const name = NAMES.get(opcode) ?? String(opcode);
    this.requests.set(name, this.count(name) + 1);
    this.longest.set(name, Math.max(this.longest.get(name) ?? 0, frame.length));
    const fault = this.fault?.(name);
    if (fault === "before") return link.hangUp(new Error("lost by the test"));
    const refused = this.refuse?.(name, ONE_PATH.has(opcode) ? pathOf(frame) : "");
    if (refused !== undefined) return this.#reply(link, xid, new Refusal(refused).code);
    const newer: readonly number[] = [OpCode.addWatch, OpCode.setWatches2, OpCode.getEphemerals];
    if (!this.recursive && newer.includes(opcode)) {
      this.#reply(link, xid, -6);
      return link.hangUp();
    }
    let body: ((writer: JuteWriter) => void) | undefined;
    try {
      body = this.#perform(link, link.session, opcode, reader);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (fault === "after") return link.hangUp(new Error("lost by the test"));
      return this.#reply(link, xid, error.code);
    }
    if (fault === "after") return link.hangUp(new Error("lost by the test"));
    this.#reply(link, xid, 0, body);
    if (opcode === OpCode.closeSession) {
      this.#end(link.session);
    }
  }

  #handshake(link: Link, reader: JuteReader): void {
    this.handshakes++;
    reader.int();
    const lastZxid = reader.long();
    const timeoutMs = reader.int();
    const id = reader.long();
    const password = Buffer.from(reader.buffer());
    // A server that knows less than the client hangs up.
    if (this.alone || lastZxid > this.tree.zxid) return link.hangUp();
    let session = this.#sessions.get(id);
    if (id === 0n) {
      session = { id: ++this.#lastSession, password: Buffer.alloc(16, 7), timeoutMs, link, timer: undefined };
      this.#sessions.set(session.id, session);
      this.tree.zxid++;
    } else if (session !== undefined && !session.password.equals(password)) session = undefined;
    if (session === undefined) {
      link.send(frameOf((w) => w.int(0).int(0).long(0n).buffer(Buffer.alloc(16)).bool(false)));
      return link.hangUp();
    }
    const known = session;
    if (known.link !== link) known.link?.hangUp();
    known.link = link;
    link.session = known;
    this.#touch(known);
    link.send(frameOf((w) => w.int(0).int(known.timeoutMs).long(known.id).buffer(known.password).bool(false)));
  }

  #perform(
    link: Link,
    session: FakeSession,
    opcode: number,
    reader: JuteReader,
  ): ((writer: JuteWriter) => void) | undefined {
    const { tree } = this;
    switch (opcode) {
      case OpCode.sync: {
        const path = reader.text();
        this.lagging.delete(path);
        return (w) => void w.text(path);
      }
      case OpCode.create: {
        const request = readCreate(reader);
        tree.create(request.path, request.data, request.ephemeral ? session.id : 0n);
        return (w) => void w.text(request.path);
      }
      case OpCode.delete:
        tree.delete(reader.text(), reader.int());
        return undefined;
      case OpCode.setData: {
        const path = reader.text();
        const data = Buffer.from(reader.buffer());
        const node = tree.setData(path, data, reader.int());
        return (w) => writeStat(w, node);
      }
      case OpCode.exists: {
        const path = reader.text();
        if (reader.bool()) link.watches.data.add(path);
        const node = tree.get(path);
        return (w) => writeStat(w, node);
      }
      case OpCode.getData: {
        const path = reader.text();
        const old = this.lagging.get(path);
        if (old === undefined && this.lagging.has(path)) throw new Refusal("NO_NODE");
        const node = tree.get(path);
        if (reader.bool()) link.watches.data.add(path);
        const data = Buffer.from(old ?? node.data);
        const stat = { ...node };
        return (w) => writeStat(w.buffer(data), stat);
      }
      case OpCode.getChildren2: {
        const path = reader.text();
        const node = tree.get(path);
        if (reader.bool()) link.watches.child.add(path);
        const names = [...node.children];
        return (w) => writeStat(w.texts(names), node);
      }
      case OpCode.multi:
        return this.#multi(session, reader);
      case OpCode.addWatch:
        link.watches.recursive.add(reader.text());
        return (w) => void w.int(0);
      case OpCode.removeWatches: {
        const path = reader.text();
        const removed = [link.watches.data, link.watches.child, link.watches.recursive].filter((set) =>
          set.delete(path),
        );
        if (removed.length === 0) throw new Refusal("NO_WATCHER");
        return undefined;
      }
      case OpCode.setWatches:
      case OpCode.setWatches2:
        this.#setWatches(link, reader, opcode === OpCode.setWatches2);
        return undefined;
      case OpCode.auth:
        reader.int();
        reader.text();
        link.auth.push(reader.buffer().toString());
        return undefined;
      case OpCode.getEphemerals:
        return (w) => void w.texts(tree.ephemerals(session.id));
      case OpCode.closeSession:
        return undefined;
      default:
        throw new Refusal("UNIMPLEMENTED");
    }
  }

  #multi(session: FakeSession, reader: JuteReader): (writer: JuteWriter) => void {
    const steps: { readonly opcode: number; readonly path: string; run(): void; check(): void }[] = [];
    for (;;) {
      const opcode = reader.int();
      const done = reader.bool();
      reader.int();
      if (done) break;
      if (opcode === OpCode.create) {
        const { path, data, ephemeral } = readCreate(reader);
        const gone = (): boolean => steps.some((step) => step.opcode === OpCode.delete && step.path === path);
        steps.push({
          opcode,
          path,
          check: () => gone() || this.tree.checkCreate(path),
          run: () => this.tree.create(path, data, ephemeral ? session.id : 0n),
        });
      } else {
        const path = reader.text();
        const version = reader.int();
        steps.push({
          opcode,
          path,
          check: () => this.tree.checkDelete(path, version),
          run: () => this.tree.delete(path, version),
        });
      }
    }
    const failed = steps.findIndex((step) => refusalOf(() => step.check()) !== undefined);
    if (failed >= 0) {
      const code = refusalOf(() => steps[failed]?.check())?.code ?? 0;
      return (w) => {
        for (const [index] of steps.entries()) {
          const result = index < failed ? 0 : index === failed ? code : -2;
          w.int(-1).bool(false).int(result).int(result);
        }
        w.int(-1).bool(true).int(-1);
      };
    }
    for (const step of steps) step.run();
    return (w) => {
      for (const { opcode, path } of steps) {
        w.int(opcode).bool(false).int(0);
        if (opcode === OpCode.create) w.text(path);
      }
      w.int(-1).bool(true).int(-1);
    };
  }

  /** What has happened meanwhile to those that fire once fires now; recursive ones are only set again. */
  #setWatches(link: Link, reader: JuteReader, two: boolean): void {
    const since = reader.long();
    const [data, exist, child] = [reader.texts(), reader.texts(), reader.texts()];
    const recursive = two ? [reader.texts(), reader.texts()][1] : [];
    for (const path of data) {
      const node = this.tree.find(path);
      if (node === undefined) this.#notify(link, EventType.deleted, path);
      else if (node.mzxid > since) this.#notify(link, EventType.dataChanged, path);
      else link.watches.data.add(path);
    }
    for (const path of exist) {
      if (this.tree.find(path) !== undefined) this.#notify(link, EventType.created, path);
      else link.watches.data.add(path);
    }
    for (const path of child) {
      const node = this.tree.find(path);
      if (node === undefined) this.#notify(link, EventType.deleted, path);
      else if (node.pzxid > since) this.#notify(link, EventType.childrenChanged, path);
      else link.watches.child.add(path);
    }
    for (const path of recursive ?? []) link.watches.recursive.add(path);
  }

  #fire(type: number, path: string): void {
    for (const link of this.#links) {
      const { data, child, recursive } = link.watches;
      let hit = false;
      if (type === EventType.childrenChanged) hit = child.delete(path);
      else {
        hit = data.delete(path);
        if (type === EventType.deleted) hit = child.delete(path) || hit;
        for (const at of recursive) hit ||= path === at || path.startsWith(at === "/" ? at : `${at}/`);
      }
      if (hit) this.#notify(link, type, path);
    }
  }

  #notify(link: Link, type: number, path: string): void {
    link.send(frameOf((w) => w.int(Xid.notification).long(-1n).int(0).int(type).int(3).text(path)));
  }

  #reply(link: Link, xid: number, error: number, body?: (writer: JuteWriter) => void): void {
    const zxid = this.tree.zxid;
    link.send(
      frameOf((w) => {
        w.int(xid).long(zxid).int(error);
        if (error === 0) body?.(w);
      }),
    );
  }

  #touch(session: FakeSession): void {
    session.timer?.cancel();
    session.timer = this.#clock.setTimeout(() => this.#end(session), session.timeoutMs);
  }

  #end(session: FakeSession): void {
    session.timer?.cancel();
    this.#sessions.delete(session.id);
    for (const path of this.tree.ephemerals(session.id)) this.tree.delete(path, -1);
    session.link?.hangUp();
  }
}

function readCreate(reader: JuteReader): { path: string; data: Buffer; ephemeral: boolean } {
  const path = reader.text();
  const data = Buffer.from(reader.buffer());
  for (let acls = reader.int(); acls > 0; acls--) {
    reader.int();
    reader.text();
    reader.text();
  }
  return { path, data, ephemeral: (reader.int() & 1) === 1 };
}

function writeStat(writer: JuteWriter, node: Znode): void {
  writer.long(node.czxid).long(node.mzxid).long(0n).long(0n).int(node.version).int(node.cversion).int(0);
  writer.long(node.owner).int(node.data.length).int(node.children.size).long(node.pzxid);
}

function frameOf(write: (writer: JuteWriter) => void): Buffer {
  const writer = new JuteWriter();
  writer.int(0);
  write(writer);
  const bytes = writer.finish();
  bytes.writeInt32BE(bytes.length - 4, 0);
  return bytes;
}

function refusalOf(fn: () => unknown): Refusal | undefined {
  try {
    fn();
    return undefined;
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
}
