// A TCP proxy whose connections can be broken.
import { connect, createServer } from "node:net";

export async function breakableProxy(port, host) {
  const pairs = new Set();
  let frozen = false;
  const server = createServer((near) => {
    if (proxy.refuse) return near.resetAndDestroy();
    const far = connect(port, host);
    const pair = [near, far];
    pairs.add(pair);
    const end = () => {
      pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    for (const socket of pair) {
      socket.on("error", end);
      socket.on("close", end);
    }
    const pass = () => {
      near.pipe(far);
      far.pipe(near);
    };
    if (frozen) waiting.push(pass);
    else pass();
  });
  const waiting = [];
  await new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const breakAll = () => {
    for (const [near, far] of [...pairs]) {
      near.resetAndDestroy();
      far.resetAndDestroy();
    }
  };
  const proxy = {
    port: server.address().port,
    /** Whether it lets nobody through for now. */
    refuse: false,
    breakAll,
    /** Nothing passes, in either direction, and nothing ends; new connections are accepted, and wait. */
    freeze() {
      frozen = true;
      for (const [near, far] of pairs) {
        near.unpipe(far).pause();
        far.unpipe(near).pause();
      }
    },
    thaw() {
      frozen = false;
      for (const pass of waiting.splice(0)) pass();
      for (const [near, far] of pairs) {
        near.pipe(far);
        far.pipe(near);
      }
    },
    async close() {
      breakAll();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return proxy;
}
