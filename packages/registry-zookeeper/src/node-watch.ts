import type { NodeData } from "./operations.js";
import type { WatchEvent } from "./protocol.js";
import type { ZookeeperSession } from "./session.js";

/** What is in one node, which need not be there, kept by a watch. */
export class NodeWatch {
  readonly #session: ZookeeperSession;
  readonly #path: string;
  readonly #push: (node: NodeData | undefined) => void;
  #disposed = false;
  readonly #onEvent = (_event: WatchEvent): void => {
    // A failure is that of the connection, after which it is read again.
    if (!this.#disposed) this.#readAndPush().catch(() => undefined);
  };

  constructor(session: ZookeeperSession, path: string, push: (node: NodeData | undefined) => void) {
    this.#session = session;
    this.#path = path;
    this.#push = push;
  }

  /** Watches and reads: from its resolution on every change is pushed. */
  async arm(signal?: AbortSignal): Promise<NodeData | undefined> {
    for (;;) {
      const node = await this.#session.getData(this.#path, signal, this.#onEvent);
      if (node !== undefined) return node;
      // Made between the two requests: then there is a watch now, and something to read.
      if ((await this.#session.exists(this.#path, signal, this.#onEvent)) === undefined) return undefined;
    }
  }

  async dispose(signal?: AbortSignal): Promise<void> {
    this.#disposed = true;
    await this.#session.removeWatches(this.#path, this.#onEvent, signal);
  }

  async #readAndPush(): Promise<void> {
    const node = await this.arm();
    if (!this.#disposed) this.#push(node);
  }
}
