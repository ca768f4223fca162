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

/**
 * A base with `base + offset` free for each offset, within 4000 above `from`. Where the search begins depends on the process,
 * so that two runs on one machine seldom try the same ports at once.
 */
export async function freeBase(offsets, from = 18848) {
  const [step, tries] = [17, 235];
  for (let i = 0; i < tries; i++) {
    const base = from + ((process.pid * 31 + i) % tries) * step;
    let all = true;
    for (const offset of offsets) all = all && (await free(base + offset)) !== undefined;
    if (all) return base;
  }
  throw new Error(`no free ports at ${offsets.join(", ")} from a base of ${from} on`);
}
