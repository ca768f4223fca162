// TCP and nothing else: for every request's worth of octets a response's worth, whatever is in them.
import { createServer } from "node:net";
import { UNARY_OVERHEAD } from "./wire.mjs";

const MAX_PAYLOAD = 1 << 20;

/** The first four octets of a connection say how many octets of data its calls have. */
export async function serve() {
  const answers = Buffer.alloc(64 * 1024 + MAX_PAYLOAD);
  const server = createServer({ noDelay: true }, (socket) => {
    let requestSize;
    let responseSize;
    let received = 0;
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      received += chunk.length;
      if (requestSize === undefined) {
        const payload = chunk.readUInt32BE(0);
        requestSize = payload + UNARY_OVERHEAD.request;
        responseSize = payload + UNARY_OVERHEAD.response;
        received -= 4;
      }
      const calls = Math.floor(received / requestSize);
      received -= calls * requestSize;
      for (let left = calls * responseSize; left > 0; left -= answers.length) {
        socket.write(answers.subarray(0, Math.min(left, answers.length)));
      }
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server.address().port;
}
