// Keepalive against grpc-go's default enforcement: never banned by default, and a ban is survived with half as many PINGs.
// dubbo-go's server enforces nothing.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { createRuntime } from "@dubhe/concurrency";
import { Code, createDirectChannel, createRpcEnvironment, createServiceClient, http2Connector, Pool } from "@dubhe/rpc";
import { GreetService } from "../gen/greet_pb.js";
import { EchoService } from "../gen/interop/echo/v1/echo_pb.js";
import { startDubboGo } from "../lib/greet.mjs";
import { dubboGo, grpcGo } from "../lib/peers.mjs";
import { freePort } from "../lib/ports.mjs";

export const title = "keepalive against the default enforcement of grpc-go and dubbo-go";

export async function run(trial) {
  const child = trial.start("grpc-go server", await grpcGo(), ["server"]);
  const port = Number((await child.waitFor(/^READY (\d+)/m, 20_000))[1]);

  /** A client whose pool keeps its connections for us to look at. */
  function client(keepalive, service = EchoService, to = port) {
    const env = createRpcEnvironment(createRuntime());
    const connect = http2Connector(env.runtime, { keepalive });
    const connections = [];
    const pool = new Pool(env.runtime, {
      connect: (target, sink, hints) => {
        const connection = connect(target, sink, hints);
        connections.push(connection);
        return connection;
      },
      verifyIdleAfterMs: 200,
    });
    trial.onEnd(() => pool.close(0));
    const echo = createServiceClient(env, service, createDirectChannel(pool, { host: "127.0.0.1", port: to }), {});
    return { echo, pool, pings: () => connections.map(({ counters }) => counters.keepalivePings) };
  }

  await trial.step(
    "grpc-go server",
    "forgives calls, pauses and silent streams with a PING after every 100 ms of silence",
    async () => {
      const { echo, pool, pings } = client({ intervalMs: 100, timeoutMs: 2_000 });
      for (let round = 0; round < 6; round++) {
        await echo.unary({ seq: round, delayMs: 600 }, { timeoutMs: 5_000 });
        await sleep(400); // idle for so long that the next call verifies the connection first
        await echo
          .unary({ seq: round, delayMs: 2_000 }, { timeoutMs: 250 })
          .catch((error) => assert.equal(error.code, Code.DeadlineExceeded));
        await echo.unary({ seq: round }, { timeoutMs: 5_000 });
      }
      const silent = echo.unary({ seq: 9, delayMs: 4_000 }, { timeoutMs: 10_000 });
      assert.equal((await silent).seq, 9);
      assert.equal(pool.counters.goawaysReceived, 0);
      const sent = pings();
      assert.equal(sent.length, 1, "one connection all the time");
      assert.ok(sent[0] >= 14, `${sent[0]} PINGs`);
      return `${sent[0]} keepalive PINGs and ${pool.counters.verifications} to verify, no GOAWAY`;
    },
  );

  await trial.step(
    "grpc-go server",
    "bans a client without that restraint, which then pings half as often",
    async () => {
      const { echo, pool, pings } = client({ intervalMs: 100, timeoutMs: 2_000, maxPingsWithoutData: Infinity });
      const banned = await echo.unary({ delayMs: 5_000 }, { timeoutMs: 10_000 }).catch((error) => error);
      assert.equal(banned.code, Code.Unavailable);
      assert.equal(pool.counters.pingsForbidden, 1);
      const again = await echo.unary({ delayMs: 5_000 }, { timeoutMs: 10_000 }).catch((error) => error);
      assert.equal(again.code, Code.Unavailable);
      assert.equal(pool.counters.pingsForbidden, 2);
      // 400 ms now: three PINGs in 1.5 s are not too many.
      assert.equal((await echo.unary({ seq: 7, delayMs: 1_500 }, { timeoutMs: 10_000 })).seq, 7);
      assert.equal(pool.counters.pingsForbidden, 2);
      return [`the call ended: ${banned.message}`, `PINGs by connection: ${pings().join(", ")}`];
    },
  );

  const dubboPort = await freePort();
  await startDubboGo(trial, await dubboGo(), { port: dubboPort, app: "go-pings" });
  await trial.step(
    "dubbo-go provider",
    "does not mind a PING after every 50 ms of silence on an open stream",
    async () => {
      const keepalive = { intervalMs: 50, timeoutMs: 2_000, maxPingsWithoutData: Infinity };
      const { echo: greet, pool, pings } = client(keepalive, GreetService, dubboPort);
      let done;
      const silence = new Promise((resolve) => (done = resolve));
      async function* requests() {
        yield { name: "a" };
        await silence;
      }
      const answers = greet.greetBidiStream(requests(), { timeoutMs: 20_000 });
      const first = answers.next();
      await sleep(3_000);
      done();
      await first;
      for await (const _ of answers);
      assert.equal(pool.counters.goawaysReceived, 0);
      assert.ok(pings()[0] >= 30, `${pings()[0]} PINGs`);
      return `${pings()[0]} PINGs, no GOAWAY`;
    },
  );
}
