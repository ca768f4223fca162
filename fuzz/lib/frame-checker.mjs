import assert from "node:assert/strict";
import { CONTINUATION, DATA, GOAWAY, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE } from "./frames.mjs";
import { NaiveHpackDecoder } from "./naive-hpack.mjs";

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
const STREAM_CLOSED = 5;
const FIXED_SIZES = new Map([
  [RST_STREAM, 4],
  [PING, 8],
  [WINDOW_UPDATE, 4],
]);

/**
 * Reads what one side of a connection wrote, as a strict peer would, and throws at whatever RFC 9113 forbids a sender. It
 * shares no code with the engine but the tables of HPACK.
 */
export class FrameChecker {
  frames = 0;
  /** Payload of DATA, all streams. */
  dataSent = 0;
  /** By stream: `open`, `answered` (final headers were sent), `ended`, `reset`. */
  streams = new Map();
  sentByStream = new Map();
  #fromClient;
  #hpack = new NaiveHpackDecoder();
  #rest = new Uint8Array(0);
  #prefaceDue;
  #settingsSeen = false;
  #block = undefined;
  #lastGoaway = Infinity;
  #fatal = false;
  #highestOpened = 0;

  /** @param fromClient the writer is a client */
  constructor(fromClient) {
    this.#fromClient = fromClient;
    this.#prefaceDue = fromClient;
  }

  /** Whether a GOAWAY with an error was sent, after which nothing may come. */
  get fatal() {
    return this.#fatal;
  }

  /** The sender's limit of the dynamic table: the largest that the peer allowed. */
  allowTable(size) {
    this.#hpack.limit = Math.max(this.#hpack.limit, size);
  }

  read(bytes) {
    let all = Buffer.concat([this.#rest, bytes]);
    if (this.#prefaceDue && all.length >= PREFACE.length) {
      assert.ok(all.subarray(0, PREFACE.length).equals(PREFACE), "the client's preface");
      all = all.subarray(PREFACE.length);
      this.#prefaceDue = false;
    }
    while (!this.#prefaceDue && all.length >= 9) {
      const length = all.readUIntBE(0, 3);
      assert.ok(length <= 16_384, `a frame of ${length} bytes`);
      if (all.length < 9 + length) break;
      this.#frame(all[3], all[4], all.readUInt32BE(5), all.subarray(9, 9 + length));
      all = all.subarray(9 + length);
    }
    this.#rest = all;
  }

  /** The connection is over: nothing is left half written. */
  end() {
    assert.equal(this.#rest.length, 0, "a frame was cut off");
    assert.equal(this.#block, undefined, "a header block was cut off");
  }

  #frame(type, flags, streamId, payload) {
    this.frames++;
    assert.ok(!this.#fatal, "a frame behind the last GOAWAY");
    assert.ok(type <= CONTINUATION, `unknown type ${type}`);
    assert.ok(this.#settingsSeen || (type === SETTINGS && flags === 0), "SETTINGS come first");
    assert.equal(this.#block !== undefined, type === CONTINUATION, "a header block is not interrupted");
    assert.ok(streamId < 0x8000_0000, "the reserved bit");
    const fixed = FIXED_SIZES.get(type);
    if (fixed !== undefined) assert.equal(payload.length, fixed);
    if (type === SETTINGS || type === PING || type === GOAWAY) assert.equal(streamId, 0);
    switch (type) {
      case SETTINGS:
        this.#settingsSeen = true;
        assert.equal(payload.length % 6, 0);
        if (flags === 1) assert.equal(payload.length, 0);
        return;
      case GOAWAY: {
        const last = payload.readUInt32BE(0);
        assert.ok(last <= this.#lastGoaway, "the last stream id of a GOAWAY never grows");
        this.#lastGoaway = last;
        this.#fatal = payload.readUInt32BE(4) !== 0;
        return;
      }
      case WINDOW_UPDATE:
        assert.ok(payload.readUInt32BE(0) > 0 && payload.readUInt32BE(0) < 0x8000_0000, "an increment of 0");
        if (streamId !== 0) this.#notIdle(streamId);
        return;
      case RST_STREAM:
        this.#notIdle(streamId);
        // Again only for frames that come later (§5.4.2).
        if (this.streams.get(streamId) === "reset") assert.equal(payload.readUInt32BE(0), STREAM_CLOSED, "reset twice");
        this.streams.set(streamId, "reset");
        return;
      case HEADERS:
        assert.equal(flags & ~5, 0, "no padding, no priority");
        this.#block = { streamId, endStream: (flags & 1) !== 0, parts: [] };
        return this.#fragment(flags, streamId, payload);
      case CONTINUATION:
        return this.#fragment(flags, streamId, payload);
      case DATA:
        return this.#data(flags, streamId, payload.length);
      case PING:
        return;
      default:
        assert.notEqual(type, PRIORITY, "PRIORITY is not sent");
        assert.fail(`type ${type} is not sent`);
    }
  }

  #notIdle(streamId) {
    assert.notEqual(streamId, 0);
    // A server may reset streams that it never answered; a client names streams that it opened.
    if (this.#fromClient) assert.ok(streamId <= this.#highestOpened, `stream ${streamId} is idle`);
  }

  #data(flags, streamId, size) {
    assert.equal(flags & ~1, 0, "no padding");
    assert.equal(this.streams.get(streamId), "answered", `DATA on stream ${streamId}`);
    this.dataSent += size;
    this.sentByStream.set(streamId, (this.sentByStream.get(streamId) ?? 0) + size);
    if (flags === 1) this.streams.set(streamId, "ended");
  }

  #fragment(flags, streamId, payload) {
    const block = this.#block;
    assert.equal(streamId, block.streamId);
    block.parts.push(payload);
    if ((flags & 4) === 0) return;
    this.#block = undefined;
    const fields = this.#hpack.decode(Buffer.concat(block.parts));
    const state = this.streams.get(streamId);
    const names = fields.map(([name]) => name);
    const pseudo = names.filter((name) => name.startsWith(":"));
    assert.ok(
      names.slice(0, pseudo.length).every((name) => name.startsWith(":")),
      "pseudo-headers first",
    );
    assert.ok(
      names.every((name) => name === name.toLowerCase()),
      "lower case",
    );
    if (state === undefined) {
      if (this.#fromClient) {
        assert.ok(streamId % 2 === 1 && streamId > this.#highestOpened, `opens stream ${streamId}`);
        this.#highestOpened = streamId;
        assert.ok(pseudo.includes(":method"), "a request");
      } else {
        assert.deepEqual(pseudo, [":status"], "a response");
      }
      this.streams.set(streamId, block.endStream ? "ended" : "answered");
      return;
    }
    assert.equal(state, "answered", `HEADERS on stream ${streamId}, which is ${state}`);
    assert.ok(block.endStream && pseudo.length === 0, "trailers end the stream");
    this.streams.set(streamId, "ended");
  }
}
