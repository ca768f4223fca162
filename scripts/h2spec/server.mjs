// The server that h2spec is run against: answers every request 200 with a small body.
// Usage: node scripts/h2spec/server.mjs --port P [--host H] [--tls-cert FILE --tls-key FILE]; prints "READY <port>".
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { createRuntime } from "@dubhe/concurrency";
import { createListener, HeaderTemplate } from "@dubhe/http2";

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "0" },
    host: { type: "string", default: "127.0.0.1" },
    "tls-cert": { type: "string" },
    "tls-key": { type: "string" },
  },
});
const tls =
  values["tls-cert"] && values["tls-key"]
    ? { cert: readFileSync(values["tls-cert"]), key: readFileSync(values["tls-key"]) }
    : undefined;

const OK = new HeaderTemplate([":status", "200", "content-type", "text/plain"]);
const BODY = new TextEncoder().encode("hello, h2spec\n");

const ignore = () => undefined;
const listener = createListener(createRuntime(), tls === undefined ? {} : { tls }, () => ({
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
