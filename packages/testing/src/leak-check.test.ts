import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import test, { type TestContext } from "node:test";
import { systemClock } from "@dubhe/concurrency";
import { CountingClock } from "./counting-clock.js";
import { leakCheck, withLeakCheck } from "./leak-check.js";

/** A test context whose hooks are run by hand: how the check fails can only be seen from outside of a test. */
function fakeContext(): { context: TestContext; end(): Promise<void> } {
  const hooks: (() => unknown)[] = [];
  const context = { after: (hook: () => unknown) => hooks.push(hook) } as unknown as TestContext;
  const end = async (): Promise<void> => {
    for (const hook of hooks) await hook(); // an array's iterator sees hooks that hooks add
  };
  return { context, end };
}

async function listen(): Promise<Server> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

test("nothing left behind, also by hooks that come later", async (t) => {
  leakCheck(t);
  const server = await listen();
  t.after(() => server.close());
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
  t.after(() => client.destroy());
  server.on("connection", (socket) => socket.resume());
  await once(client, "connect");
});

const leaks: { name: string; leak(): Promise<() => void>; message: RegExp }[] = [
  {
    name: "a server",
    leak: async () => {
      const server = await listen();
      return () => server.close();
    },
    message: /resource TCPServerWrap/,
  },
  {
    name: "a timer that keeps the process alive",
    leak: async () => {
      const timer = systemClock.setTimeout(() => undefined, 60_000, { ref: true });
      return () => timer.cancel();
    },
    message: /resource Timeout/,
  },
  {
    name: "a process listener",
    leak: async () => {
      const listener = (): void => undefined;
      process.on("SIGUSR2", listener);
      return () => process.off("SIGUSR2", listener);
    },
    message: /process listener SIGUSR2: \d+, before \d+/,
  },
  {
    name: "sockets, even unref'd ones",
    leak: async () => {
      const server = await listen();
      const accepted = once(server, "connection") as Promise<[Socket]>;
      const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
      const [socket] = await accepted;
      client.unref();
      socket.unref();
      server.close();
      server.unref();
      return () => {
        client.destroy();
        socket.destroy();
      };
    },
    message: /client socket 127\.0\.0\.1:\d+ -> 127\.0\.0\.1:\d+/,
  },
];

for (const { name, leak, message } of leaks) {
  test(`found: ${name}`, async () => {
    const first = fakeContext();
    leakCheck(first.context, { settleMs: 30 });
    const clear = await leak();
    await assert.rejects(first.end(), message);
    clear();

    const second = fakeContext();
    const wrapped = withLeakCheck(async () => {
      const clearLater = await leak();
      second.context.after(clearLater);
    });
    await wrapped(second.context);
    await second.end(); // its own hook has cleared it
  });
}

test("what goes away within a moment is no leak", async (t) => {
  leakCheck(t);
  systemClock.setTimeout(() => undefined, 50, { ref: true });
});

test("a failing test shows its own error", async () => {
  const { context, end } = fakeContext();
  let timer: { cancel(): void } | undefined;
  const wrapped = withLeakCheck(() => {
    timer = systemClock.setTimeout(() => undefined, 60_000, { ref: true });
    throw new Error("its own");
  });
  await assert.rejects(wrapped(context), /its own/);
  await end();
  timer?.cancel();
});

test("CountingClock counts timers that were left behind, unref'd ones too", async () => {
  const clock = new CountingClock();
  const left = clock.setTimeout(() => undefined, 60_000);
  clock.setTimeout(() => undefined, Infinity);
  await new Promise<void>((resolve) => {
    clock.setTimeout(resolve, 1, { ref: true });
    clock.setTimeout(() => undefined, 60_000).cancel();
  });
  assert.equal(clock.pendingTimers, 1);
  left.cancel();
  left.cancel();
  assert.equal(clock.pendingTimers, 0);
  assert.ok(clock.now() > 0 && clock.wallTime() > 0);
});
