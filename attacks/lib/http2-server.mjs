// What a server that attacks its clients needs: it answers SETTINGS, and calls `attack` for each request or once.
import * as wire from "./wire.mjs";

/** `:status 200` and gRPC's content type. */
export const RESPONSE = wire.block([
  [":status", "200"],
  ["content-type", "application/grpc"],
]);

/**
 * @param options `onRequest(streamId, send)` for each HEADERS of the client, `onOpen(send)` once the preface and SETTINGS came,
 * `onFrame(type, flags, streamId, payload, send)`, `settings`, `noSettings: true`
 */
export function serveHttp2(socket, t, options) {
  const send = (...parts) => {
    if (!socket.destroyed && socket.writable) socket.write(Buffer.concat(parts.flat()));
  };
  let prefaceLeft = wire.PREFACE.length;
  const reader = new wire.FrameReader((type, flags, streamId, payload) => {
    if (type === wire.SETTINGS && (flags & wire.ACK) === 0) {
      send(wire.settingsAck);
      options.onOpen?.(send);
    } else if (type === wire.HEADERS) {
      t.note("requests");
      if (!t.over) options.onRequest?.(streamId, send);
      else send(wire.resetStream(streamId, "REFUSED_STREAM"));
    } else if (type === wire.GOAWAY) {
      t.note(`GOAWAY ${wire.errorName(payload.readUInt32BE(4))}`);
    } else if (type === wire.RST_STREAM) {
      t.note(`RST_STREAM ${wire.errorName(payload.readUInt32BE())}`);
    }
    options.onFrame?.(type, flags, streamId, payload, send);
  });
  if (options.noSettings !== true) send(wire.settings(options.settings));
  socket.on("data", (chunk) => {
    const skip = Math.min(prefaceLeft, chunk.length);
    prefaceLeft -= skip;
    if (skip < chunk.length) reader.push(chunk.subarray(skip));
  });
}

/** Calls `send(next(n))` `perSecond` times a second while the socket lives and the round goes on. */
export async function keepSending(socket, t, perSecond, next) {
  const perBurst = Math.max(1, Math.round(perSecond / 100));
  for (let n = 0; !socket.destroyed && !t.over; ) {
    if (socket.writableLength < 1024 * 1024) {
      const parts = [];
      for (let i = 0; i < perBurst; i++) parts.push(next(n++));
      socket.write(Buffer.concat(parts.flat()));
      t.note("sent", perBurst);
    }
    await t.sleep(10);
  }
}
