import { offAbort, onAbort, type Runtime } from "@dubhe/concurrency";
import { isCode } from "./errors.js";
import type { NodeData } from "./operations.js";
import type { ZookeeperSession } from "./session.js";

/** The one who holds an address holds it with another owner nonce than ours: another process, or our predecessor. */
export class ForeignOwnerError extends Error {
  override readonly name = "ForeignOwnerError";
}

/**
 * The ephemeral nodes of a session: there, with what we want in them, and ours. What another session left there goes with that
 * session, so it must be replaced and not written to (D-48). Replacing is one transaction: nobody sees the node absent.
 */
export class OwnedNodes {
  readonly #runtime: Runtime;
  readonly #session: ZookeeperSession;
  readonly #foreignWaitMs: number;

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
  async put(
    path: string,
    data: Buffer,
    owner: string,
    ownerOf: (data: Buffer) => string,
    signal: AbortSignal,
  ): Promise<void> {
    const session = this.#session;
    // Asked first, since a node that is there already is no reason to bother the whole ensemble with a failing write.
    let node = await session.getData(path, signal);
    for (;;) {
      if (node === undefined) {
        if (await this.#tolerating(["NODE_EXISTS"], session.create(path, data, { ephemeral: true, signal }))) return;
      } else if (node.stat.ephemeralOwner === session.id) {
        // Also where the answer to a create was lost with its connection.
        if (node.data.equals(data)) return;
        if (await this.#tolerating(["NO_NODE"], session.setData(path, data, -1, signal))) return;
      } else if (isForeign(node, owner, ownerOf)) {
        await this.#untilGone(path, ownerOf(node.data), signal);
      } else {
        const { version } = node.stat;
        const replaced = session.transact(
          [
            { kind: "delete", path, version },
            { kind: "create", path, data, acl: session.acl },
          ],
          signal,
        );
        if (await this.#tolerating(["NO_NODE", "BAD_VERSION", "NODE_EXISTS"], replaced)) return;
      }
      node = await session.getData(path, signal);
    }
  }

  /** Removes it, unless it belongs to somebody else. */
  async remove(path: string, owner: string, ownerOf: (data: Buffer) => string, signal: AbortSignal): Promise<void> {
    for (;;) {
      const node = await this.#session.getData(path, signal);
      if (node === undefined) return;
      if (node.stat.ephemeralOwner !== this.#session.id && isForeign(node, owner, ownerOf)) return;
      // By version, as somebody may have replaced it since.
      if (await this.#tolerating(["BAD_VERSION"], this.#session.delete(path, node.stat.version, signal))) return;
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

  async #untilGone(path: string, owner: string, signal: AbortSignal): Promise<void> {
    const { clock } = this.#runtime;
    let fired!: () => void;
    const changed = new Promise<void>((resolve) => {
      fired = resolve;
    });
    const watch = (): void => fired();
    if ((await this.#session.exists(path, signal, watch)) === undefined) {
      await this.#session.removeWatches(path, watch, signal);
      return;
    }
    let timedOut = false;
    const timer = clock.setTimeout(() => {
      timedOut = true;
      fired();
    }, this.#foreignWaitMs);
    onAbort(signal, fired);
    await changed;
    timer.cancel();
    offAbort(signal, fired);
    if (!timedOut && !signal.aborted) return;
    await this.#session.removeWatches(path, watch).catch(() => undefined); // with the connection it is gone anyway
    throw new ForeignOwnerError(`${path} is held by another owner, ${owner}; it is replaced when it goes`);
  }
}

function isForeign(node: NodeData, owner: string, ownerOf: (data: Buffer) => string): boolean {
  const theirs = ownerOf(node.data);
  return theirs !== "" && theirs !== owner;
}
