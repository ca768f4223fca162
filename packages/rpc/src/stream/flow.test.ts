import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { test } from "node:test";
import { EchoService, echoHandlers, rpcPair, withLeakCheck } from "@dubhe/testing";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Until the number has not changed for a while of turns. */
async function settled(read: () => number): Promise<number> {
  for (let last = -1, same = 0; ; ) {
    await turn();
    const now = read();
    same = now === last ? same + 1 : 0;
    if (same > 50) return now;
    last = now;
  }
}

const kib64 = new Uint8Array(64 * 1024);

test(
  "a fast server and a slow reader: what the server makes is bounded, and nothing is lost",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    let made = 0;
    pair.server.add(EchoService, {
      async *serverStream() {
        for (; made < 500; made++) yield { sequence: made, payload: kib64 };
      },
    });
    const stream = pair.client(EchoService).serverStream({});
    await stream.next();
    const atFirst = await settled(() => made);
    assert.ok(atFirst < 60, `${atFirst} messages of 64 KiB were made for one that was read`);
    await stream.next();
    assert.ok((await settled(() => made)) < atFirst + 40);
    let sequence = 2;
    for await (const message of stream) assert.equal(message.sequence, sequence++);
    assert.equal(sequence, 500);
  }),
);

test(
  "a fast caller and a slow handler: the same the other way",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    let read: () => void = () => undefined;
    let start: () => void = () => undefined;
    const reading = new Promise<void>((resolve) => {
      read = resolve;
    });
    const started = new Promise<void>((resolve) => {
      start = resolve;
    });
    pair.server.add(EchoService, {
      async clientStream(requests) {
        start();
        await reading;
        let index = 0;
        for await (const request of requests) assert.equal(request.sequence, index++);
        return { index };
      },
    });
    let made = 0;
    async function* requests() {
      for (; made < 500; made++) yield { sequence: made, payload: kib64 };
    }
    const response = pair.client(EchoService).clientStream(requests(), { timeoutMs: 30_000 });
    await started;
    const atFirst = await settled(() => made);
    assert.ok(atFirst < 60, `${atFirst} messages of 64 KiB were made for none that was read`);
    read();
    assert.equal((await response).index, 500);
  }),
);

test(
  "many small messages that nobody reads do not pile up either",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    let made = 0;
    pair.server.add(EchoService, {
      async *serverStream() {
        for (; ; made++) yield { sequence: made };
      },
    });
    await using stream = pair.client(EchoService).serverStream({});
    await stream.next();
    const bound = await settled(() => made);
    assert.ok(bound < 400_000, `${bound} messages were made for one that was read`);
  }),
);

test(
  "one slow reader does not stall the others on its connection",
  withLeakCheck(async () => {
    await using pair = await rpcPair({ pool: { maxConnectionsPerEndpoint: 1 } });
    pair.server.add(EchoService, echoHandlers());
    const echo = pair.client(EchoService);
    const slow = Array.from({ length: 8 }, () => echo.serverStream({ count: 1_000, responseBytes: 64 * 1024 }));
    for (const stream of slow) await stream.next();
    for (let i = 0; i < 200; i++)
      assert.equal((await echo.unary({ sequence: i, responseBytes: 10_000 })).payload.length, 10_000);
    let read = 0;
    for await (const _ of echo.serverStream({ count: 100, responseBytes: 64 * 1024 })) read++;
    assert.equal(read, 100);
    assert.equal(pair.pool.counters.connectionsOpened, 1);
    for (const stream of slow) await stream.return();
  }),
);

test(
  "a loop over buffered messages leaves the event loop its turns",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    pair.server.add(EchoService, {
      async clientStream(requests) {
        let index = 0;
        for await (const _ of requests) index++;
        return { index };
      },
      *serverStream() {
        for (let index = 0; index < 20_000; index++) yield { index };
      },
    });
    const echo = pair.client(EchoService);
    let turns = 0;
    let running = true;
    const count = (): void => {
      turns++;
      if (running) setImmediate(count);
    };
    setImmediate(count);
    const stream = echo.serverStream({});
    await settled(() => pair.server.activeCalls);
    turns = 0;
    for await (const _ of stream);
    assert.ok(turns > 20, `only ${turns} turns for 20 000 messages`);
    turns = 0;
    assert.equal(
      (
        await echo.clientStream(
          Array.from({ length: 20_000 }, () => ({})),
          { timeoutMs: 30_000 },
        )
      ).index,
      20_000,
    );
    running = false;
    assert.ok(turns > 20, `only ${turns} turns for 20 000 messages`);
  }),
);

test(
  "next() may be called ahead: messages come in order, then done",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    pair.server.add(EchoService, echoHandlers());
    const stream = pair.client(EchoService).serverStream({ count: 5 });
    const results = await Promise.all(Array.from({ length: 8 }, () => stream.next()));
    assert.deepEqual(
      results.map((r) => (r.done === true ? "done" : r.value.index)),
      [0, 1, 2, 3, 4, "done", "done", "done"],
    );
  }),
);

test(
  "a caller's generator runs in the caller's async context, whatever wakes it",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    pair.server.add(EchoService, echoHandlers());
    const storage = new AsyncLocalStorage<string>();
    const contexts = new Set<string | undefined>();
    async function* requests() {
      for (let i = 0; i < 200; i++) {
        contexts.add(storage.getStore());
        yield { payload: kib64 };
      }
    }
    await storage.run("mine", async () => {
      for await (const _ of pair.client(EchoService).bidi(requests())) contexts.add(storage.getStore());
    });
    assert.deepEqual([...contexts], ["mine"]);
  }),
);
