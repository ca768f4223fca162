const WARM_UNARY = 2000;
const WARM_STREAMS = 500;
/** Opened so many at a time, so that a burst does not set the high-water mark. */
const BATCH = 100;

/**
 * Words that open connections, streams and calls and hold them: "connections 1000", "streams 5000", "calls 5000". Warmed
 * up, because compiled code is memory too.
 */
export async function occupy(connect, target) {
  const first = await connect(target);
  for (let i = 0; i < WARM_UNARY; i++) await first.unary();
  for (let i = 0; i < WARM_STREAMS; i++) {
    const stream = first.openStream();
    await stream.exchange();
    await stream.end();
  }
  const held = [];
  return {
    connections: each(async () => {
      const connection = await connect(target);
      held.push(connection);
      await connection.unary();
    }),
    streams: each(async () => {
      const stream = first.openLongStream();
      held.push(stream);
      await stream.exchange();
    }),
    calls: each(async () => {
      first.park().catch(() => {}); // it ends with the process
    }),
  };
}

function each(open) {
  return async (count) => {
    for (let left = Number(count); left > 0; left -= BATCH) {
      await Promise.all(Array.from({ length: Math.min(BATCH, left) }, open));
      await delay(5);
    }
    await delay(300); // until the server has them too
    return {};
  };
}

function delay(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
