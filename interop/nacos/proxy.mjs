// A TCP proxy whose connections can be broken, frozen and slow.
import { connect, createServer } from "node:net";
import { Transform } from "node:stream";
import { systemClock } from "@dubhe/concurrency";

export async function breakableProxy(port, host) {
  const pairs = new Set();
  let frozen = false;
  const server = createServer((near) => {
    if (proxy.refuse) return near.resetAndDestroy();
    const far = connect(port, host);
    const end = () => {
      pairs.delete(pair);
      near.destroy();
      far.destroy();
      late.destroy();
    };
    for (const socket of [near, far]) {
      socket.on("error", end);
      socket.on("close", end);
    }
    // What the server says, later, in its order.
    let lastAt = 0;
    const late = new Transform({
      transform(chunk, _encoding, done) {
        const now = systemClock.now();
        lastAt = Math.max(lastAt, now + proxy.slowMs);
        if (lastAt <= now) return done(null, chunk);
        systemClock.setTimeout(() => late.destroyed || late.push(chunk), lastAt - now);
        done();
      },
    });
    far.pipe(late);
    const pair = [near, far, late];
    pairs.add(pair);
    if (frozen) return;
    near.pipe(far);
    late.pipe(near);
  });
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
    /** By how much everything that the server sends comes later. */
    slowMs: 0,
    breakAll,
    /** Nothing passes, in either direction, and nothing ends; new connections are accepted, and wait. */
    freeze() {
      frozen = true;
      for (const [near, far, late] of pairs) {
        near.unpipe(far).pause();
        late.unpipe(near);
      }
    },
    thaw() {
      if (!frozen) return;
      frozen = false;
      for (const [near, far, late] of pairs) {
        near.pipe(far);
        late.pipe(near);
      }
    },
    async close() {
      breakAll();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return proxy;
}
