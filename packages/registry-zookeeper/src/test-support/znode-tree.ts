import { ErrorCode } from "../error-codes.js";
import { EventType } from "../protocol.js";

export interface Znode {
  data: Buffer;
  czxid: bigint;
  mzxid: bigint;
  version: number;
  cversion: number;
  pzxid: bigint;
  owner: bigint;
  readonly children: Set<string>;
}

/** An operation that the server refuses, with its code. */
export class Refusal extends Error {
  readonly code: number;

  constructor(code: keyof typeof ErrorCode) {
    super(code);
    this.code = ErrorCode[code];
  }
}

/** The data of a ZooKeeper server. `changed` hears of every event, as watches would. */
export class ZnodeTree {
  zxid = 0n;
  readonly #nodes = new Map<string, Znode>();
  readonly #changed: (type: number, path: string) => void;

  constructor(changed: (type: number, path: string) => void) {
    this.#changed = changed;
    this.clear();
  }

  clear(): void {
    this.#nodes.clear();
    this.#nodes.set("/", blank(0n, 0n, Buffer.alloc(0)));
    this.zxid = 0n;
  }

  find(path: string): Znode | undefined {
    return this.#nodes.get(path);
  }

  get(path: string): Znode {
    const node = this.#nodes.get(path);
    if (node === undefined) throw new Refusal("NO_NODE");
    return node;
  }

  /** Paths of the ephemeral nodes, with their sessions. */
  ephemerals(owner?: bigint): string[] {
    return [...this.#nodes].flatMap(([path, node]) =>
      node.owner !== 0n && (owner === undefined || node.owner === owner) ? [path] : [],
    );
  }

  create(path: string, data: Buffer, owner: bigint): void {
    this.checkCreate(path);
    this.zxid++;
    const parent = this.get(parentOf(path));
    this.#nodes.set(path, blank(this.zxid, owner, data));
    parent.children.add(path.slice(path.lastIndexOf("/") + 1));
    parent.cversion++;
    parent.pzxid = this.zxid;
    this.#changed(EventType.created, path);
    this.#changed(EventType.childrenChanged, parentOf(path));
  }

  checkCreate(path: string): void {
    if (this.get(parentOf(path)).owner !== 0n) throw new Refusal("NO_CHILDREN_FOR_EPHEMERALS");
    if (this.#nodes.has(path)) throw new Refusal("NODE_EXISTS");
  }

  checkDelete(path: string, version: number): void {
    const node = this.get(path);
    if (version !== -1 && version !== node.version) throw new Refusal("BAD_VERSION");
    if (node.children.size > 0) throw new Refusal("NOT_EMPTY");
  }

  delete(path: string, version: number): void {
    this.checkDelete(path, version);
    this.zxid++;
    this.#nodes.delete(path);
    const parent = this.get(parentOf(path));
    parent.children.delete(path.slice(path.lastIndexOf("/") + 1));
    parent.cversion++;
    parent.pzxid = this.zxid;
    this.#changed(EventType.deleted, path);
    this.#changed(EventType.childrenChanged, parentOf(path));
  }

  setData(path: string, data: Buffer, version: number): Znode {
    const node = this.get(path);
    if (version !== -1 && version !== node.version) throw new Refusal("BAD_VERSION");
    node.data = data;
    node.version++;
    node.mzxid = ++this.zxid;
    this.#changed(EventType.dataChanged, path);
    return node;
  }

  /** Makes what is missing above, too. */
  put(path: string, data: string, owner = 0n): void {
    if (path !== "/" && parentOf(path) !== "/" && !this.#nodes.has(parentOf(path))) this.put(parentOf(path), "");
    if (this.#nodes.has(path)) this.setData(path, Buffer.from(data), -1);
    else this.create(path, Buffer.from(data), owner);
  }
}

function blank(zxid: bigint, owner: bigint, data: Buffer): Znode {
  return { data, czxid: zxid, mzxid: zxid, version: 0, cversion: 0, pzxid: zxid, owner, children: new Set() };
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}
