// One connection of an attacker. It keeps HTTP/2's forms where the attack does not need to break them (preface, SETTINGS and
// their acknowledgement, credits), and tallies what reaches it.
import { connect as connectTcp } from "node:net";
import { connect as connectTls } from "node:tls";
import { HpackDecoder } from "@dubhe/http2";
import { PATH } from "./echo.mjs";
import * as wire from "./wire.mjs";

/** Header fields of a call; `extra` is appended, and overrides nothing. */
export const requestFields = (method = "Unary", extra = []) => [
  [":method", "POST"],
  [":scheme", "http"],
  [":path", `${PATH}${method}`],
  [":authority", "attacked"],
  ["content-type", "application/grpc"],
  ["te", "trailers"],
  ...extra,
];

export const PLAIN_REQUEST = wire.block(requestFields());

export class Peer {
  nextId = 1;
  /** No answer can come any more. */
  closed = false;
  /** The socket is gone. Never rejects. */
  ended;
  /** The server's SETTINGS came, or none can come: what follows is not interrupted by our acknowledgement. */
  settled;
  #settled;
  socket;
  #tcp;
  #tally;
  #options;
  #decoder = new HpackDecoder({ maxHeaderListSize: 1 << 24 });
  #fragments = [];
  /** DATA bytes received, by stream. */
  received = new Map();

  /** @param tally (what, count) @param options see Assault.connect */
  constructor(tally, port, options) {
    this.#tally = tally;
    this.#options = options;
    this.#tcp = connectTcp({ host: "127.0.0.1", port, noDelay: true });
    // TLS over a socket of our own: only that can be reset.
    this.socket = options.tls
      ? connectTls({ socket: this.#tcp, ALPNProtocols: options.alpn ?? ["h2"], rejectUnauthorized: false })
      : this.#tcp;
    this.socket.on("error", (error) => tally(`socket ${error.code ?? error.message}`));
    this.settled = new Promise((resolve) => {
      this.#settled = resolve;
    });
    this.ended = new Promise((resolve) => {
      this.socket.once("close", () => {
        this.closed = true;
        tally("closed");
        this.#settled();
        resolve();
      });
    });
    this.socket.once("end", () => {
      this.closed = true;
    });
    if (options.raw) {
      this.socket.on("data", (chunk) => options.raw(chunk, this));
    } else {
      const reader = new wire.FrameReader((...frame) => this.#onFrame(...frame));
      this.socket.on("data", (chunk) => reader.push(chunk));
    }
  }

  /** Resolves when bytes can be sent (also when they no longer can). */
  async open() {
    const opened = new Promise((resolve) => {
      this.socket.once(this.#options.tls ? "secureConnect" : "connect", resolve);
    });
    await Promise.race([opened, this.ended]);
    if (!this.#options.raw && this.#options.preface !== false) {
      this.send(wire.PREFACE, wire.settings(this.#options.settings), wire.windowUpdate(0, 0x7000_0000));
    }
    return this;
  }

  get waiting() {
    return this.socket.writableLength;
  }

  send(...parts) {
    if (this.socket.destroyed || !this.socket.writable) return;
    this.socket.write(parts.length === 1 ? parts[0] : Buffer.concat(parts));
  }

  /** The id of a stream not used yet. */
  take() {
    const id = this.nextId;
    this.nextId += 2;
    return id;
  }

  /** HEADERS of a new call; the id of its stream. */
  call(method = "Unary", extra = [], flags = wire.END_HEADERS) {
    const id = this.take();
    const block = method === "Unary" && extra.length === 0 ? PLAIN_REQUEST : wire.block(requestFields(method, extra));
    this.send(wire.headers(id, block, flags));
    return id;
  }

  destroy() {
    this.socket.destroy();
  }

  /** RST instead of FIN. */
  reset() {
    this.#tcp.resetAndDestroy();
    this.socket.destroy();
  }

  #onFrame(type, flags, streamId, payload) {
    switch (type) {
      case wire.DATA:
        this.received.set(streamId, (this.received.get(streamId) ?? 0) + payload.length);
        break;
      case wire.HEADERS:
      case wire.CONTINUATION:
        this.#fragments.push(payload);
        if ((flags & wire.END_HEADERS) !== 0) this.#onBlock(streamId);
        break;
      case wire.RST_STREAM:
        this.#tally(`RST_STREAM ${wire.errorName(payload.readUInt32BE())}`);
        break;
      case wire.GOAWAY:
        this.#tally(`GOAWAY ${wire.errorName(payload.readUInt32BE(4))}`);
        this.#options.onGoaway?.(payload.subarray(8).toString());
        break;
      case wire.SETTINGS:
        if ((flags & wire.ACK) !== 0) break;
        if (this.#options.preface !== false && this.#options.ackSettings !== false) this.send(wire.settingsAck);
        this.#settled();
        break;
      case wire.PING:
        if ((flags & wire.ACK) === 0 && this.#options.answerPings !== false) {
          this.send(wire.frame(wire.PING, wire.ACK, 0, payload));
        }
        break;
      default:
        break;
    }
    this.#options.onFrame?.(this, type, flags, streamId, payload);
  }

  #onBlock() {
    const { fields } = this.#decoder.decode(new Uint8Array(Buffer.concat(this.#fragments)));
    this.#fragments = [];
    for (let i = 0; i < fields.length; i += 2) {
      if (fields[i] === ":status") this.#tally(`status ${fields[i + 1]}`);
      if (fields[i] === "grpc-status") this.#tally(`grpc-status ${fields[i + 1]}`);
    }
  }
}
