import assert from "node:assert/strict";
import { test } from "node:test";
import { createRandom, createRuntime } from "@dubhe/concurrency";
import { encodeValue } from "@dubhe/hessian2";
import { leakCheck } from "@dubhe/testing";
import { DubboClient } from "./client.js";
import { encodeFrame } from "./frame.js";
import { dubboServer, respond } from "./test-support/dubbo-server.js";

test("whatever a peer does, each call ends once, with its own answer or an error, and nothing is left", async (t) => {
  leakCheck(t);
  const random = createRandom(7);
  const anything = (length: number) => Buffer.from(Array.from({ length }, () => random.below(256)));
  const server = await dubboServer(t, (request) => {
    const { socket, frame } = request;
    if (!frame.request) return;
    const event = {
      request: true,
      twoWay: random.below(2) === 0,
      event: true,
      serialization: random.below(32),
      status: 0,
    };
    for (let left = random.below(4); left > 0; left--) {
      switch (random.below(9)) {
        case 0:
          socket.write(encodeFrame({ ...event, id: 1n, body: anything(random.below(20)) }));
          break;
        case 1:
          socket.write(encodeFrame({ ...event, id: 2n, body: encodeValue("R") }));
          break;
        case 2:
          socket.write(encodeFrame({ ...frame, request: false, status: random.below(256), body: anything(30) }));
          break;
        case 3:
          socket.write(encodeFrame({ ...frame, request: false, status: 20, id: frame.id + 1n, body: anything(9) }));
          break;
        case 4:
          socket.write(encodeFrame({ ...frame, event: false, twoWay: true, id: 3n, body: anything(9) }));
          break;
        case 5:
          if (random.below(4) === 0) socket.write(anything(20));
          break;
        case 6:
          if (random.below(4) === 0) socket.end();
          break;
        case 7:
          if (random.below(4) === 0) socket.destroy();
          break;
        default:
          respond(request, 1, request.argument);
      }
    }
    if (random.below(8) > 0) respond(request, 1, request.argument);
  });
  const client = new DubboClient(createRuntime(), { lingerMs: 20 });
  const target = { host: "127.0.0.1", port: server.port };
  let answered = 0;
  for (let round = 0; round < 60; round++) {
    const calls = Array.from({ length: 8 }, async (_, i) => {
      const argument = `${round}-${i}`;
      const invocation = { service: "a.Echo", method: "echo", parameterTypes: ["java.lang.String"], args: [argument] };
      const signal = random.below(10) === 0 ? AbortSignal.timeout(random.below(20)) : undefined;
      const value = await client.call(target, invocation, { timeoutMs: 50, ...(signal && { signal }) });
      // Random bytes may be a value; another call's answer they are not.
      if (typeof value === "string" && /^\d+-\d+$/.test(value)) assert.equal(value, argument);
      answered++;
    });
    for (const end of await Promise.allSettled(calls)) {
      if (end.status === "rejected") {
        assert.match(
          String((end.reason as Error).name),
          /^(?:DubboError|HessianError|TimeoutError)$/,
          String(end.reason),
        );
      }
    }
  }
  assert.ok(answered > 0);
  await client.close();
  assert.equal(client.size, 0);
  while (server.sockets.size > 0) await new Promise((resolve) => setImmediate(resolve));
});
