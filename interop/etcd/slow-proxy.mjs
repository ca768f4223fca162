// A TCP proxy to 127.0.0.1 on which each connection receives no more than so many bytes a second.
import { connect, createServer } from "node:net";
import { Transform } from "node:stream";
import { pause } from "./wait.mjs";

const TICK_MS = 20;

export async function slowProxy(port, bytesPerSecond) {
  const sockets = new Set();
  const piece = Math.ceil((bytesPerSecond * TICK_MS) / 1_000);
  const server = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    const brake = new Transform({
      highWaterMark: piece,
      async transform(chunk, _encoding, done) {
        for (let at = 0; at < chunk.length; at += piece) {
          this.push(chunk.subarray(at, at + piece));
          await pause((TICK_MS * Math.min(piece, chunk.length - at)) / piece);
        }
        done();
      },
    });
    const end = () => {
      near.destroy();
      far.destroy();
      sockets.delete(near);
    };
    sockets.add(near);
    for (const stream of [near, far, brake]) stream.on("error", end).on("close", end);
    near.pipe(far);
    far.pipe(brake).pipe(near);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: server.address().port,
    close() {
      for (const near of sockets) near.destroy();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}
