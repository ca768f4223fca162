// A TCP relay between a peer and Dubhe that remembers the last bytes and HTTP/2 frames of each direction, for failures.
import { connect, createServer } from "node:net";

const KEPT_BYTES = 256;
const KEPT_FRAMES = 24;
const PREFACE = 24; // "PRI * HTTP/2.0…" (RFC 9113 §3.4), from clients only
const TYPES = [
  "DATA",
  "HEADERS",
  "PRIORITY",
  "RST_STREAM",
  "SETTINGS",
  "PUSH_PROMISE",
  "PING",
  "GOAWAY",
  "WINDOW_UPDATE",
  "CONTINUATION",
];

/** One direction of one connection. */
class Direction {
  bytes = 0;
  frames = [];
  #last = Buffer.alloc(0);
  #head = Buffer.alloc(0);
  #skip;

  constructor(skip) {
    this.#skip = skip;
  }

  see(chunk) {
    this.bytes += chunk.length;
    this.#last = Buffer.concat([this.#last, chunk]).subarray(-KEPT_BYTES);
    for (let at = 0; at < chunk.length; ) {
      if (this.#skip > 0) {
        const n = Math.min(this.#skip, chunk.length - at);
        this.#skip -= n;
        at += n;
        continue;
      }
      const n = Math.min(9 - this.#head.length, chunk.length - at);
      this.#head = Buffer.concat([this.#head, chunk.subarray(at, at + n)]);
      at += n;
      if (this.#head.length < 9) return;
      const length = this.#head.readUIntBE(0, 3);
      const name = TYPES[this.#head[3]] ?? `type ${this.#head[3]}`;
      this.frames.push(
        `${name} stream=${this.#head.readUInt32BE(5) & 0x7fffffff} flags=0x${this.#head[4].toString(16)} length=${length}`,
      );
      if (this.frames.length > KEPT_FRAMES) this.frames.shift();
      this.#skip = length;
      this.#head = Buffer.alloc(0);
    }
  }

  hex() {
    const lines = [];
    for (let at = 0; at < this.#last.length; at += 32) {
      const row = this.#last.subarray(at, at + 32);
      const text = row.toString("latin1").replace(/[^\x20-\x7e]/g, ".");
      lines.push(`      ${row.toString("hex").padEnd(64)}  ${text}`);
    }
    return lines.join("\n");
  }
}

/** @param {{ host?: string, port: number }} target @param {{ port?: number, encrypted?: boolean }} [options] */
export async function startTap(name, target, options = {}) {
  const connections = [];
  let accepted = 0;
  const sockets = new Set();
  const server = createServer((near) => {
    const far = connect(target.port, target.host ?? "127.0.0.1");
    const seen = {
      up: new Direction(options.encrypted ? Number.POSITIVE_INFINITY : PREFACE),
      down: new Direction(options.encrypted ? Number.POSITIVE_INFINITY : 0),
    };
    connections.push(seen);
    accepted += 1;
    if (connections.length > 8) connections.shift();
    for (const [from, to, direction] of [
      [near, far, seen.up],
      [far, near, seen.down],
    ]) {
      sockets.add(from);
      from.setNoDelay(true);
      from.on("data", (chunk) => {
        direction.see(chunk);
        if (!to.write(chunk)) from.pause();
      });
      to.on("drain", () => from.resume());
      from.on("end", () => to.end());
      from.on("error", () => to.destroy());
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  await new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port ?? 0, "127.0.0.1", resolve);
  });
  return {
    name,
    port: server.address().port,
    /** Connections so far. */
    get accepted() {
      return accepted;
    },
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
    /** The last frames and bytes of the youngest connections. */
    dump() {
      if (connections.length === 0) return `  ${name}: no connection was made`;
      return connections
        .slice(-2)
        .map(({ up, down }) =>
          [
            ["client → server", up],
            ["server → client", down],
          ]
            .map(
              ([title, d]) =>
                `  ${name}, ${title}: ${d.bytes} bytes; last frames:\n${d.frames.map((f) => `      ${f}`).join("\n")}\n    last bytes:\n${d.hex()}`,
            )
            .join("\n"),
        )
        .join("\n  --\n");
    },
  };
}
