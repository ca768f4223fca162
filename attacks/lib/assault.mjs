// What an attack works with, in the attacker's process: connections, a clock that ends the round, and a tally.
import { createServer } from "node:net";
import { Peer } from "./peer.mjs";

/** Bursts of a flood are this far apart, or as it takes to send one by one. */
const BURST_MS = 10;
/** A flood whose connection was closed opens the next one after this. */
const RECONNECT_MS = 50;
/** Bytes that may wait in the attacker's socket: a server that does not read bounds the attacker's memory, too. */
const WAITING_LIMIT = 1024 * 1024;

export class Assault {
  /** What reached the attacker, and what it sent: text → count. */
  tally = {};
  over = true;
  round = 0;
  port;
  #tls;
  #peers = new Set();
  #wakers = new Set();

  constructor(tls) {
    this.#tls = tls;
  }

  note = (what, count = 1) => {
    this.tally[what] = (this.tally[what] ?? 0) + count;
  };

  begin(port) {
    this.port = port;
    this.over = false;
    this.round++;
  }

  /** The round is over: whoever sleeps wakes, and every connection goes. */
  end() {
    this.over = true;
    for (const wake of [...this.#wakers]) wake();
    for (const peer of this.#peers) peer.destroy();
    this.#peers.clear();
  }

  /** At most `ms`; less when the round ends. */
  sleep(ms) {
    if (this.over) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#wakers.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      this.#wakers.add(wake);
    });
  }

  /** Every connection that is open or opening goes by a reset. */
  reset() {
    for (const peer of this.#peers) peer.reset();
    this.#peers.clear();
  }

  /** Until the round ends. */
  async hold() {
    while (!this.over) await this.sleep(60_000);
  }

  /** Until all of `promises` are settled, or the round ends. */
  async all(promises) {
    await Promise.race([Promise.allSettled(promises), this.hold()]);
  }

  /**
   * @param options `settings` [[id, value], …], `preface: false` (nothing is sent by itself), `raw` (chunk, peer) instead of frames,
   * `tls` and `alpn`, `ackSettings: false`, `answerPings: false`, `onFrame` (peer, type, flags, streamId, payload)
   */
  async connect(options = {}) {
    const peer = new Peer(this.note, this.port, { tls: this.#tls, ...options });
    this.#peers.add(peer);
    this.note("connections");
    await peer.open();
    if (this.over) peer.destroy();
    return peer;
  }

  /** Runs `fn` on `count` connections at once. */
  async each(count, fn, options) {
    await Promise.all(
      Array.from({ length: count }, async (_, index) => {
        const peer = await this.connect(options);
        if (!this.over) await fn(peer, index);
      }),
    );
  }

  /**
   * Sends `next(peer, n)`, bytes or a list of them, `perSecond` times a second on each of `connections`, in bursts; a
   * connection that the server closed is replaced. `open(peer)` may prepare one. `peer.slot` counts the connections from 0;
   * `forms` are the keys of variants, each on its own connection, named in `peer.form`.
   */
  async flood({ forms = {}, connections, perSecond, open, next, reconnectMs = RECONNECT_MS, ...options }) {
    const names = Object.keys(forms);
    const burstMs = Math.max(BURST_MS, 1000 / perSecond);
    const perBurst = Math.round((perSecond * burstMs) / 1000);
    const slot = async (_, index) => {
      const form = names[index];
      const onGoaway = () => form !== undefined && this.note(`stopped: ${form}`);
      while (!this.over) {
        const peer = await this.connect({ onGoaway, ...options });
        peer.slot = index;
        peer.form = form;
        await open?.(peer);
        for (let n = 0; !peer.closed && !this.over; ) {
          if (peer.waiting < WAITING_LIMIT) {
            const parts = [];
            for (let i = 0; i < perBurst; i++) parts.push(next(peer, n++));
            peer.send(...parts.flat());
            this.note("sent", perBurst);
          }
          await this.sleep(burstMs);
        }
        peer.destroy();
        this.#peers.delete(peer);
        await this.sleep(reconnectMs);
      }
    };
    await Promise.all(Array.from({ length: connections ?? (names.length || 2) }, slot));
  }

  /** For attacks on clients: `serve(peer socket)` is called for each connection that the victim opens. Returns the port. */
  listen(serve) {
    const server = createServer({ noDelay: true }, (socket) => {
      this.note("connections");
      socket.on("error", () => {});
      socket.once("close", () => this.note("closed"));
      serve(socket);
    });
    return new Promise((resolve) => {
      server.listen(0, "127.0.0.1", () => resolve(server.address().port));
    });
  }
}
