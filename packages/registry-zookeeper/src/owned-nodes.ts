import type { Runtime } from "@dubhe/concurrency";
import { Continued } from "./continued.js";
import { ConnectionLossError, isCode } from "./errors.js";
import type { NodeData } from "./operations.js";
import type { ZookeeperSession } from "./session.js";

/** The one who holds an address holds it with another owner nonce than ours: another process, or our predecessor. */
export class ForeignOwnerError extends Error {
  override readonly name = "ForeignOwnerError";
}

/**
 * The ephemeral nodes of a session: there, with what we want in them, and ours. What another session left there goes with that
 * session, so it must be replaced and not written to (D-48). Replacing is one transaction: nobody sees the node absent.
 * Where the answer to a write was lost with its connection, the next server may not show yet what the last one has done: it is made
 * to catch up before it is believed.
 */
export class OwnedNodes {
  readonly #runtime: Runtime;
  readonly #session: ZookeeperSession;
  readonly #foreignWaitMs: number;
  readonly #continued = new Continued();
  readonly #doubtful = new Set<string>();

  /** `foreignWaitMs`: how long an attempt waits for a foreign owner to go. */
  constructor(runtime: Runtime, session: ZookeeperSession, foreignWaitMs: number) {
    this.#runtime = runtime;
    this.#session = session;
    this.#foreignWaitMs = foreignWaitMs;
  }

  /**
   * `ownerOf` reads the owner nonce of what is there, "" for none. A leftover with `owner` or none is replaced; a foreign one is
   * waited for.
   */
  put(
    path: string,
    data: Buffer,
    owner: string,
    ownerOf: (data: Buffer) => string,
    signal?: AbortSignal,
  ): Promise<void> {
    const goal = `put ${owner} ${data.toString()}`;
    return this.#continued.run(path, goal, signal, () => this.#sure(path, () => this.#put(path, data, owner, ownerOf)));
  }

  /** Removes it, unless it belongs to somebody else. */
  remove(path: string, owner: string, ownerOf: (data: Buffer) => string, signal?: AbortSignal): Promise<void> {
    return this.#continued.run(path, `remove ${owner}`, signal, () =>
      this.#sure(path, () => this.#remove(path, owner, ownerOf)),
    );
  }

  /** Nothing is doubtful after a look at a server that has caught up. */
  async #sure(path: string, work: () => Promise<void>): Promise<void> {
    try {
      if (this.#doubtful.has(path)) await this.#session.sync(path);
      this.#doubtful.delete(path);
      await work();
    } catch (error) {
      if (error instanceof ConnectionLossError) this.#doubtful.add(path);
      throw error;
    }
  }

  async #put(path: string, data: Buffer, owner: string, ownerOf: (data: Buffer) => string): Promise<void> {
    const session = this.#session;
    // Asked first, since a node that is there already is no reason to bother the whole ensemble with a failing write.
    let node = await session.getData(path);
    for (;;) {
      if (node === undefined) {
        if (await this.#tolerating(["NODE_EXISTS"], session.create(path, data, { ephemeral: true }))) return;
      } else if (node.stat.ephemeralOwner === session.id) {
        // Also where the answer to a create was lost with its connection.
        if (node.data.equals(data)) return;
        if (await this.#tolerating(["NO_NODE"], session.setData(path, data, -1))) return;
      } else if (isForeign(node, owner, ownerOf)) {
        await this.#untilGone(path, ownerOf(node.data));
      } else {
        const { version } = node.stat;
        const replaced = session.transact([
          { kind: "delete", path, version },
          { kind: "create", path, data, acl: session.acl },
        ]);
        if (await this.#tolerating(["NO_NODE", "BAD_VERSION", "NODE_EXISTS"], replaced)) return;
      }
      node = await session.getData(path);
    }
  }

  async #remove(path: string, owner: string, ownerOf: (data: Buffer) => string): Promise<void> {
    for (;;) {
      const node = await this.#session.getData(path);
      if (node === undefined) return;
      if (node.stat.ephemeralOwner !== this.#session.id && isForeign(node, owner, ownerOf)) return;
      // By version, as somebody may have replaced it since.
      if (await this.#tolerating(["BAD_VERSION"], this.#session.delete(path, node.stat.version))) return;
    }
  }

  /** False for one of `codes`: things changed between looking and writing. */
  async #tolerating(codes: readonly Parameters<typeof isCode>[1][], work: Promise<unknown>): Promise<boolean> {
    try {
      await work;
      return true;
    } catch (error) {
      if (codes.some((code) => isCode(error, code))) return false;
      throw error;
    }
  }

  async #untilGone(path: string, owner: string): Promise<void> {
    const { clock } = this.#runtime;
    let fired!: () => void;
    const changed = new Promise<void>((resolve) => {
      fired = resolve;
    });
    const watch = (): void => fired();
    let timedOut = false;
    const timer = clock.setTimeout(() => {
      timedOut = true;
      fired();
    }, this.#foreignWaitMs);
    try {
      if ((await this.#session.exists(path, undefined, watch)) !== undefined) await changed;
    } finally {
      timer.cancel();
      // One that has fired is gone already, and with the connection all are.
      void this.#session.removeWatches(path, watch).catch(() => undefined);
    }
    if (timedOut)
      throw new ForeignOwnerError(`${path} is held by another owner, ${owner}; it is replaced when it goes`);
  }
}

function isForeign(node: NodeData, owner: string, ownerOf: (data: Buffer) => string): boolean {
  const theirs = ownerOf(node.data);
  return theirs !== "" && theirs !== owner;
}
