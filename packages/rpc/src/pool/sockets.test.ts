import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { createRuntime, systemClock } from "@dubhe/concurrency";
import type { ListenerOptions } from "@dubhe/http2";
import { EchoService, echoHandlers, withLeakCheck } from "@dubhe/testing";
import { createServiceClient } from "../client/create-client.js";
import { Code } from "../code.js";
import { createRpcEnvironment } from "../environment.js";
import { RpcError } from "../rpc-error.js";
import { RpcServer } from "../server/rpc-server.js";
import type { Client } from "../service-types.js";
import { createDirectChannel, type DirectChannel } from "./direct-channel.js";
import { Pool } from "./pool.js";
import type { PoolOptions } from "./pool-options.js";

/** A server and a client of it over real sockets; everything is closed at the end. */
async function withEcho(
  options: { readonly listener?: ListenerOptions; readonly pool?: PoolOptions },
  use: (world: {
    client: Client<typeof EchoService>;
    pool: Pool;
    channel: DirectChannel;
    server: RpcServer;
    port: number;
  }) => Promise<void>,
): Promise<void> {
  const env = createRpcEnvironment(createRuntime());
  const server = new RpcServer(env).add(EchoService, echoHandlers());
  const { port } = await server.listen({ host: "127.0.0.1", port: 0 }, options.listener);
  const pool = new Pool(env.runtime, options.pool);
  const channel = createDirectChannel(pool, { host: "127.0.0.1", port });
  try {
    await use({ client: createServiceClient(env, EchoService, channel), pool, channel, server, port });
  } finally {
    await pool.close();
    await server.close({ graceMs: 0 });
  }
}

test(
  "10 000 first calls at once: all answered, over no more connections than allowed",
  withLeakCheck(() =>
    withEcho({ listener: { maxConcurrentStreams: 200 } }, async ({ client, pool }) => {
      const answers = await Promise.all(
        Array.from({ length: 10_000 }, (_, index) => client.unary({ text: `call ${index}` }, { timeoutMs: 30_000 })),
      );
      answers.forEach(({ text }, index) => assert.equal(text, `call ${index}`));
      assert.ok(pool.counters.connectsStarted <= 4, `${pool.counters.connectsStarted} connections`);
      assert.equal(pool.counters.attempts, 10_000, "no call was refused by the peer and tried again");
      assert.equal(pool.waitBudget.calls, 0);
    }),
  ),
);

test(
  "grows with the peer's stream limit, oldest connection first, and no further than calls need",
  withLeakCheck(() =>
    withEcho({ listener: { maxConcurrentStreams: 10 } }, async ({ client, pool, channel }) => {
      await Promise.all(Array.from({ length: 7 }, () => client.unary({ delayMs: 30 })));
      assert.equal(pool.counters.connectionsOpen, 1, "fewer than the 8 that a limit of 10 leaves to users");
      const calls = Array.from({ length: 20 }, () => client.unary({ delayMs: 100 }));
      await Promise.all(calls);
      const { connections } = channel.endpoint!.inspect();
      assert.ok(connections.length >= 2 && connections.length <= 3, `${connections.length} connections for 20 calls`);
    }),
  ),
);

test(
  "GOAWAY in the middle of bursts loses nothing",
  withLeakCheck(() =>
    withEcho({ listener: { maxConcurrentStreams: 50 } }, async ({ client, pool, server }) => {
      const calls: Promise<unknown>[] = [];
      for (let wave = 0; wave < 10; wave++) {
        for (let index = 0; index < 200; index++)
          calls.push(client.unary({ text: "x", delayMs: index % 5 }, { timeoutMs: 20_000 }));
        await calls[calls.length - 100];
        for (const { connection } of [...server.connections]) connection.drain();
      }
      await Promise.all(calls);
      assert.ok(pool.counters.goawaysReceived >= 10, `${pool.counters.goawaysReceived} GOAWAYs`);
      assert.equal(pool.waitBudget.calls, 0);
    }),
  ),
);

test(
  "a port that refuses: UNAVAILABLE with address, cause and the time of the next try; nothing connects meanwhile",
  withLeakCheck(async () => {
    await withEcho(
      { pool: { backoff: { initialMs: 60_000, maxMs: 60_000, jitter: 0 } } },
      async ({ client, pool, server, port }) => {
        await server.close({ graceMs: 0 });
        for (let call = 0; call < 3; call++) {
          await assert.rejects(client.unary({ text: "x" }), (error: unknown) => {
            assert.ok(error instanceof RpcError);
            assert.equal(error.code, Code.Unavailable);
            assert.equal(error.processed, "no");
            assert.match(
              error.message,
              new RegExp(`cannot connect to 127.0.0.1:${port}: .*ECONNREFUSED.*, retry in (60|59.9) s`),
            );
            return true;
          });
        }
        assert.equal(pool.counters.connectsStarted, 1);
        assert.equal(pool.counters.connectsFailed, 1);
      },
    );
  }),
);

test(
  "a connection that goes dead under its calls: UNAVAILABLE that says so, and the next call gets another one",
  withLeakCheck(async () => {
    const keepalive = { intervalMs: 60, timeoutMs: 60 };
    await withEcho({}, async ({ port }) => {
      // A middlebox that forgets the connections it has, and forwards new ones.
      const sockets: Socket[] = [];
      const middlebox = createServer((down) => {
        const up = connect(port, "127.0.0.1");
        sockets.push(down, up);
        for (const [from, to] of [
          [down, up],
          [up, down],
        ] as const) {
          from.on("error", () => undefined);
          from.on("close", () => to.destroy());
          from.pipe(to);
        }
      });
      await new Promise<void>((resolve) => middlebox.listen(0, "127.0.0.1", resolve));
      const env = createRpcEnvironment(createRuntime());
      const pool = new Pool(env.runtime, { http2: { keepalive } });
      const target = { host: "127.0.0.1", port: (middlebox.address() as AddressInfo).port };
      const client = createServiceClient(env, EchoService, createDirectChannel(pool, target));
      try {
        await client.unary({ text: "alive" });
        const dead = Array.from({ length: 3 }, () => client.unary({ delayMs: 200 }, { timeoutMs: 60_000 }));
        const settled = Promise.allSettled(dead);
        for (const socket of [...sockets]) socket.unpipe().pause();
        for (const result of await settled) {
          assert.equal(result.status, "rejected");
          const error = result.reason as RpcError;
          assert.equal(error.code, Code.Unavailable);
          assert.equal(error.processed, "maybe");
          assert.match(error.message, /keepalive: the connection is dead/);
        }
        assert.equal((await client.unary({ text: "again" })).text, "again");
      } finally {
        await pool.close(0);
        for (const socket of sockets) socket.destroy();
        middlebox.close();
        env.wheel.close();
      }
    });
  }),
);

test(
  "connections that reach their age under load: no call fails",
  withLeakCheck(() =>
    withEcho(
      { listener: { maxConnectionAgeMs: 60, maxConnectionAgeGraceMs: 2_000 }, pool: { minUptimeMs: 1 } },
      async ({ client, pool }) => {
        const until = systemClock.now() + 500;
        const caller = async (): Promise<void> => {
          while (systemClock.now() < until) await client.unary({ text: "x", delayMs: 1 });
        };
        await Promise.all(Array.from({ length: 50 }, caller));
        assert.ok(pool.counters.goawaysReceived >= 4, `${pool.counters.goawaysReceived} GOAWAYs`);
      },
    ),
  ),
);

for (const graceMs of [0, 2_000]) {
  test(
    `a server that restarts, ${graceMs === 0 ? "killed" : "gracefully"}: idle, while calls run, while the client connects, in its backoff`,
    withLeakCheck(() =>
      withEcho({ pool: { backoff: { initialMs: 20, maxMs: 40 } } }, async ({ client, pool, server, port }) => {
        const env = createRpcEnvironment(createRuntime());
        let current = server;
        const stop = (): Promise<void> => current.close({ graceMs });
        const start = async (): Promise<void> => {
          current = new RpcServer(env).add(EchoService, echoHandlers());
          await current.listen({ host: "127.0.0.1", port });
        };
        const patient = { waitForReady: true, timeoutMs: 20_000 };
        try {
          await client.unary({ text: "before" });
          // Idle.
          await stop();
          await start();
          assert.equal((await client.unary({ text: "idle" }, patient)).text, "idle");
          // Calls run: those that the server had begun end with it, or are finished by it.
          const running = Array.from({ length: 20 }, (_, i) => client.unary({ text: "x", delayMs: i }, patient));
          const settled = Promise.allSettled(running);
          await running[0];
          await stop();
          for (const result of await settled) {
            if (result.status === "rejected") assert.equal((result.reason as RpcError).code, Code.Unavailable);
            if (graceMs > 0) assert.equal(result.status, "fulfilled");
          }
          // Down: those who do not wait are told so, those who wait go on when it is back, from a connect or a backoff.
          const failed = client.unary({ text: "down" });
          const waiting = Array.from({ length: 20 }, (_, i) => client.unary({ text: `wait ${i}` }, patient));
          await assert.rejects(failed, { code: Code.Unavailable });
          while (pool.counters.connectsFailed < 4) await turn();
          await start();
          for (const [i, call] of waiting.entries()) assert.equal((await call).text, `wait ${i}`);
          assert.equal((await client.unary({ text: "after" })).text, "after");
          assert.equal(pool.waitBudget.calls, 0);
        } finally {
          await current.close({ graceMs: 0 });
          env.wheel.close();
        }
      }),
    ),
  );
}

test(
  "closes what is idle, and comes back when it is needed",
  withLeakCheck(() =>
    withEcho({ pool: { idleTimeoutMs: 20 } }, async ({ client, pool, server }) => {
      await client.unary({ text: "x" });
      assert.equal(server.connections.size, 1);
      while (server.connections.size > 0 || pool.counters.connectionsOpen > 0)
        await client.unary({ text: "no" }, { timeoutMs: 0 }).catch(turn);
      assert.equal(pool.counters.closedIdle, 1);
      assert.equal((await client.unary({ text: "again" })).text, "again");
      assert.equal(pool.counters.connectsStarted, 2);
    }),
  ),
);

async function turn(): Promise<void> {
  await new Promise<void>((resolve) => void systemClock.nextTurn(resolve));
}

test(
  "close is bounded: what still runs is cut after the grace",
  withLeakCheck(() =>
    withEcho({}, async ({ client, pool }) => {
      const slow = client.unary({ delayMs: 60_000 }, { timeoutMs: 60_000 });
      const failed = assert.rejects(slow, { code: Code.Unavailable });
      const quick = client.unary({ delayMs: 20 });
      await client.unary({ text: "connected" });
      const startedAt = systemClock.now();
      await pool.close(100);
      await failed;
      assert.ok(systemClock.now() - startedAt < 2000);
      assert.equal((await quick).text, "", "what ends within the grace is answered");
      await assert.rejects(client.unary({ text: "late" }), { code: Code.Unavailable });
      assert.equal(pool.state, "closed");
    }),
  ),
);

test("an idle connection does not keep the process alive; a call does", async () => {
  await withEcho({}, async ({ port }) => {
    const script = `
      const [rpcUrl, testingUrl, concurrencyUrl] = process.argv.slice(1);
      const { createRuntime } = await import(concurrencyUrl);
      const { createDirectChannel, createRpcEnvironment, createServiceClient, Pool } = await import(rpcUrl);
      const { EchoService } = await import(testingUrl);
      const env = createRpcEnvironment(createRuntime());
      const channel = createDirectChannel(new Pool(env.runtime), { host: "127.0.0.1", port: ${port} });
      const client = createServiceClient(env, EchoService, channel);
      client.unary({ text: "slow", delayMs: 300 }).then((answer) => console.log(answer.text));
    `;
    const urls = ["rpc", "testing", "concurrency"].map((name) => import.meta.resolve(`@dubhe/${name}`));
    const child = spawn(process.execPath, ["--input-type=module", "-e", script, ...urls], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    child.stdout.on("data", (chunk) => {
      output += String(chunk);
    });
    const timer = systemClock.setTimeout(() => child.kill("SIGKILL"), 10_000);
    const [code] = (await once(child, "exit")) as [number | null];
    timer.cancel();
    assert.equal(code, 0, "exits by itself");
    assert.equal(output, "slow\n");
  });
});

test(
  "10 000 calls that end by their deadlines of 100 ms on one connection: the server does not mind, nor does the client",
  withLeakCheck(() =>
    withEcho({ pool: { maxConnectionsPerEndpoint: 1 } }, async ({ client, pool }) => {
      let ended = 0;
      const caller = async (): Promise<void> => {
        while (ended < 10_000) {
          ended++;
          await assert.rejects(client.unary({ delayMs: 60_000 }, { timeoutMs: 100 }), { code: Code.DeadlineExceeded });
        }
      };
      await Promise.all(Array.from({ length: 1_000 }, caller));
      assert.deepEqual([pool.counters.goawaysReceived, pool.counters.connectionsOpened], [0, 1]);
      assert.equal((await client.unary({ text: "alive" })).text, "alive");
    }),
  ),
);
