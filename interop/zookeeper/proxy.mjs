// A TCP proxy that can go silent, as a machine that has hung does: it takes bytes and connections, and nothing comes of them.
import { connect, createServer } from "node:net";

export async function stallableProxy(port, { delayMs = 0 } = {}) {
  const sockets = new Set();
  const waiting = [];
  /** `delayMs` each way, in order also when it changes. */
  const proxy = { stalled: false, connections: 0, delayMs };
  let lastAt = 0;
  const pass = (fn) => {
    if (proxy.stalled) return waiting.push(fn);
    const at = Math.max(lastAt, performance.now() + proxy.delayMs);
    if (at <= performance.now()) return fn();
    lastAt = at;
    return setTimeout(fn, at - performance.now());
  };
  const server = createServer((near) => {
    proxy.connections++;
    const far = connect(port, "127.0.0.1");
    for (const [from, to] of [
      [near, far],
      [far, near],
    ]) {
      sockets.add(from);
      from.setNoDelay(true);
      from.on("data", (chunk) => pass(() => to.writable && to.write(chunk)));
      from.on("error", () => {});
      from.on("close", () => {
        sockets.delete(from);
        pass(() => to.destroy());
      });
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return Object.assign(proxy, {
    port: server.address().port,
    stall() {
      proxy.stalled = true;
    },
    flow() {
      proxy.stalled = false;
      for (const fn of waiting.splice(0)) fn();
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}
