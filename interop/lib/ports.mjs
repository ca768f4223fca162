// Free ports. Registries derive ports from one another, so several must be free at once.
import { createServer } from "node:net";

const free = (port) =>
  new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(undefined));
    server.listen(port, "127.0.0.1", () => {
      const found = server.address().port;
      server.close(() => resolve(found));
    });
  });

/** A free port, of the system's choice. */
export const freePort = () => free(0);

/** The first base from `from` on with `base + offset` free for each offset. */
export async function freeBase(offsets, from = 18848) {
  for (let base = from; base < from + 4000; base += 17) {
    let all = true;
    for (const offset of offsets) all = all && (await free(base + offset)) !== undefined;
    if (all) return base;
  }
  throw new Error(`no free ports at ${offsets.join(", ")} from a base of ${from} on`);
}
