// gRPC framed by hand on node:http2: no codec, no deadline, no interceptor. What any library on node:http2 costs at least.
import { createSecureServer, createServer } from "node:http2";
import { FIRE_MESSAGES } from "../../scenarios.mjs";
import { FrameCutter } from "./frames.mjs";

const HEADERS = { ":status": 200, "content-type": "application/grpc+proto" };
const TRAILERS = { "grpc-status": "0" };

/** @param {import("../subject.mjs").ServeOptions} options */
export async function serve({ tls }) {
  const server = tls === undefined ? createServer() : createSecureServer(tls);
  server.on("session", (session) => session.on("error", () => {}));
  server.on("stream", (stream, headers) => {
    stream.on("error", () => {});
    if (headers[":path"].endsWith("/Park")) return;
    stream.respond(HEADERS, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers(TRAILERS));
    const cutter = new FrameCutter();
    if (headers[":path"].endsWith("/Fire")) {
      stream.on("data", (chunk) =>
        cutter.cut(chunk, (frame) => {
          fire(stream, frame).catch((error) => stream.destroy(error));
        }),
      );
      return;
    }
    // The request has the same field as the response.
    stream.on("data", (chunk) => cutter.cut(chunk, (frame) => stream.write(frame)));
    stream.on("end", () => stream.end());
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server.address().port;
}

async function fire(stream, frame) {
  for (let i = 0; i < FIRE_MESSAGES; i++) {
    if (!stream.write(frame)) await new Promise((resolve) => stream.once("drain", resolve));
  }
  stream.end();
}
