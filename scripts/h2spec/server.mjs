// The server that h2spec is run against: answers every request 200 with a small body.
// Usage: node scripts/h2spec/server.mjs --port P [--host H] [--tls-cert FILE --tls-key FILE] [--http1]; prints "READY <port>".
// With --http1 the same port speaks HTTP/1.1, as an RPC server's does.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { parseArgs } from "node:util";
import { createRuntime } from "@dubhe/concurrency";
import { createListener, HeaderTemplate } from "@dubhe/http2";

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "0" },
    host: { type: "string", default: "127.0.0.1" },
    "tls-cert": { type: "string" },
    "tls-key": { type: "string" },
    http1: { type: "boolean", default: false },
  },
});
const tls =
  values["tls-cert"] && values["tls-key"]
    ? { cert: readFileSync(values["tls-cert"]), key: readFileSync(values["tls-key"]) }
    : undefined;

const OK = new HeaderTemplate([":status", "200", "content-type", "text/plain"]);
const BODY = new TextEncoder().encode("hello, h2spec\n");

const ignore = () => undefined;
const http1 = createServer((_, response) => response.end());
// node:http would answer 400 before it closes, which h2spec takes for the head of a frame.
http1.on("clientError", (_, socket) => socket.destroy());
function onHttp1(socket) {
  http1.emit("connection", socket);
  socket.resume();
}
const options = { ...(tls && { tls }), ...(values.http1 && { onHttp1 }) };
const listener = createListener(createRuntime(), options, () => ({
  onReady: ignore,
  onCapacity: ignore,
  onDraining: ignore,
  onClose: ignore,
  onStream(stream, _block, endStream) {
    const answer = () => {
      stream.sendHeaders(OK, undefined, false);
      stream.send(BODY, true);
    };
    if (endStream) answer();
    return {
      onHeaders: ignore,
      onData(chunk, end) {
        stream.consumed(chunk.length);
        if (end) answer();
      },
      onTrailers: answer,
      onWritable: ignore,
      onClose: ignore,
    };
  },
}));

const address = await listener.listen({ host: values.host, port: Number(values.port) });
console.log(`READY ${address.port}`);
process.on("SIGTERM", () => void listener.destroy().then(() => process.exit(0)));
