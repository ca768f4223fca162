import { brotliCompressSync } from "node:zlib";
import { serveHttp2 } from "../lib/http2-server.mjs";
import * as wire from "../lib/wire.mjs";

const ENDED = wire.END_HEADERS | wire.END_STREAM;
const BOMB = wire.envelope(brotliCompressSync(Buffer.alloc(64 * 1024 * 1024)), 1);
const head = (...extra) => wire.block([[":status", "200"], ["content-type", "application/grpc"], ...extra]);
const message = wire.envelope(Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]));

/** One after the other. */
const RESPONSES = [
  (id) => [
    wire.headers(id, head(["grpc-encoding", "br"])),
    wire.data(id, BOMB),
    wire.headers(id, wire.block([["grpc-status", "0"]]), ENDED),
  ],
  (id) => [wire.headers(id, head(["grpc-encoding", "zstd"])), wire.data(id, BOMB, wire.END_STREAM)],
  (id) => [
    wire.headers(id, head()),
    wire.data(id, message),
    wire.headers(id, wire.block([["grpc-status", "0"]]), ENDED),
  ],
  (id) => [
    wire.headers(
      id,
      wire.block([
        [":status", "502"],
        ["content-type", "text/html"],
      ]),
    ),
    wire.data(id, Buffer.alloc(16_000), wire.END_STREAM),
  ],
  (id) => [wire.headers(id, head(["grpc-status", "99999999999"], ["grpc-message", "%ff%zz\u00ff"]), ENDED)],
  (id) => [wire.headers(id, head(["grpc-status", "13"], ["grpc-status-details-bin", "!!!"]), ENDED)],
  (id) => [wire.headers(id, head(["grpc-status", "13"], ["grpc-message", "x".repeat(10_000)]), ENDED)],
  (id) => [wire.headers(id, head()), wire.data(id, Buffer.alloc(0), wire.END_STREAM)],
  (id) => [wire.headers(id, wire.block([[":status", "abc"]]))],
  (id) => [wire.headers(id, head(["x-a", "b\r\nc: d"]), ENDED)],
  (id) => [wire.headers(id, head(["X-Upper", "b"]), ENDED)],
  (id) => [wire.data(id, message, wire.END_STREAM)],
  (id) => [wire.windowUpdate(id, 0)],
  (id) => [
    wire.headers(id, head(["content-length", "3"])),
    wire.data(id, message),
    wire.headers(id, wire.block([["grpc-status", "0"]]), ENDED),
  ],
];

export const attack = {
  title: "a server with odd responses: bombs, unknown encodings, broken messages, statuses, headers; 14 shapes in turn",
  serve: (socket, t) =>
    serveHttp2(socket, t, {
      onRequest(streamId, send) {
        t.served = (t.served ?? 0) + 1;
        send(...RESPONSES[t.served % RESPONSES.length](streamId));
      },
    }),
  rssMib: 96,
  errors: /./,
  check({ hostile, expect }) {
    const kinds = Object.keys(hostile.errors);
    expect(kinds.length >= 8, `only ${kinds.length} kinds of error`);
    for (const text of kinds) {
      expect(/^\[[a-z_]+\] /.test(text) && !/undefined|TypeError|Cannot read/.test(text), `unclear error: ${text}`);
    }
  },
};
