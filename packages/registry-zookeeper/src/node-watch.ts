import type { NodeData } from "./operations.js";
import type { WatchEvent } from "./protocol.js";
import type { ZookeeperSession } from "./session.js";

/** What is in one node, which need not be there, kept by a watch. */
export class NodeWatch {
  readonly #session: ZookeeperSession;
  readonly #path: string;
  /** Undefined: nobody wants to know. */
  #push: ((node: NodeData | undefined) => void) | undefined;
  #present = false;
  readonly #onEvent = (_event: WatchEvent): void => {
    // A failure is that of the connection, after which it is read again.
    if (this.#push !== undefined) this.#readAndPush().catch(() => undefined);
  };

  constructor(session: ZookeeperSession, path: string) {
    this.#session = session;
    this.#path = path;
  }

  begin(push: (node: NodeData | undefined) => void): void {
    this.#push = push;
  }

  /** Watches and reads: from its resolution on every change is pushed. Reads alone when nobody wants to know any more. */
  async arm(signal?: AbortSignal): Promise<NodeData | undefined> {
    for (;;) {
      if (this.#push === undefined) return this.#session.getData(this.#path, signal);
      const asked = this.#session.getData(this.#path, signal, this.#onEvent);
      // A node that is not there is watched for with another request. Both at once, as a second round trip may be too late.
      const watched = this.#present ? undefined : this.#session.exists(this.#path, signal, this.#onEvent);
      const [node, stat] = await Promise.all([asked, watched]);
      this.#present = node !== undefined;
      if (node !== undefined) return node;
      if (watched !== undefined && stat === undefined) return undefined;
      // Made between the two requests, or gone since the last time: look again.
    }
  }

  async dispose(signal?: AbortSignal): Promise<void> {
    this.#push = undefined;
    await this.#session.removeWatches(this.#path, this.#onEvent, signal);
  }

  async #readAndPush(): Promise<void> {
    const node = await this.arm();
    this.#push?.(node);
  }
}
