import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { createRuntime, type Runtime } from "@dubhe/concurrency";
import { encodeValue, javaException } from "@dubhe/hessian2";
import { leakCheck, VirtualClock } from "@dubhe/testing";
import { DubboClient } from "./client.js";
import { DubboError } from "./dubbo-error.js";
import { encodeFrame, type Frame } from "./frame.js";
import { dubboServer, type Request, respond, type TestServer } from "./test-support/dubbo-server.js";

const echo = (argument: unknown) => ({
  service: "a.Echo",
  method: "echo",
  parameterTypes: ["java.lang.Object"],
  args: [argument],
});
const call: Omit<Frame, "id" | "body"> = { request: true, twoWay: true, event: false, serialization: 2, status: 0 };
const hex = (text: string) => Buffer.from(text, "hex");

async function world(
  t: TestContext,
  handle: (request: Request) => void,
  runtime: Runtime = createRuntime(),
): Promise<{ server: TestServer; client: DubboClient; target: { host: string; port: number } }> {
  leakCheck(t);
  const server = await dubboServer(t, handle);
  const client = new DubboClient(runtime, { lingerMs: 1_000 });
  t.after(() => client.close());
  return { server, client, target: { host: "127.0.0.1", port: server.port } };
}

test("heartbeats in another serialization are answered in it, and harm no call", async (t) => {
  const answers: Frame[] = [];
  let asked: Request | undefined;
  const { client, target } = await world(t, (request) => {
    if (request.frame.request) {
      asked = request;
      // A null of fastjson2, of fastjson, of nobody, and one in hessian2 that is cut.
      const bodies = [hex("af"), Buffer.from("null"), Buffer.alloc(200, 0xff)];
      for (const [i, body] of bodies.entries()) {
        request.socket.write(encodeFrame({ ...call, event: true, serialization: 23 - i, id: BigInt(i), body }));
      }
      request.socket.write(encodeFrame({ ...call, event: true, id: 3n, body: hex("4a00") }));
    } else if (answers.push(request.frame) === 4) respond(asked as Request, 1, "done");
  });
  assert.equal(await client.call(target, echo(1)), "done");
  assert.deepEqual(
    answers.map(({ id, event, status, serialization, body }) => [id, event, status, serialization, body.length]),
    [
      [0n, true, 20, 23, 1],
      [1n, true, 20, 22, 4],
      [2n, true, 20, 21, 64],
      [3n, true, 20, 2, 1],
    ],
  );
});

for (const [what, serialization, body] of [
  ["hessian2", 2, "0152"],
  ["fastjson2", 23, "4a52"],
  ["fastjson", 6, "225222"],
] as const) {
  test(`a server that leaves says so in ${what}`, async (t) => {
    const { server, client, target } = await world(t, (request) => {
      if (!request.frame.request) return;
      const leaving = { ...call, twoWay: false, event: true, serialization, id: 1n, body: hex(body) };
      request.socket.write(encodeFrame(leaving));
      respond(request, 1, request.argument);
    });
    assert.equal(await client.call(target, echo(1)), 1);
    assert.equal(await client.call(target, echo(2)), 2);
    assert.equal(server.accepted, 2);
  });
}

test("the answer to an event is no answer to the call with its number", async (t) => {
  const { client, target } = await world(t, (request) => {
    request.socket.write(
      encodeFrame({ ...request.frame, request: false, twoWay: false, event: true, status: 20, body: hex("4e") }),
    );
    respond(request, 1, request.argument);
  });
  assert.equal(await client.call(target, echo("mine")), "mine");
});

const errors: readonly (readonly [
  what: string,
  status: number,
  serialization: number,
  body: Uint8Array,
  message: RegExp,
])[] = [
  ["text", 60, 2, encodeValue("no such service"), /^service not found: no such service$/],
  ["nothing", 80, 2, new Uint8Array(0), /^server error: no message$/],
  ["garbage", 70, 2, hex("4040"), /^service error: a message that cannot be read \(unexpected 0x40 at byte 0\)$/],
  ["another serialization", 40, 23, hex("4a52"), /^bad request: a message serialised in way 23$/],
  ["an exception", 70, 2, encodeValue(javaException("a.B", "broken")), /^service error: broken$/],
  ["a megabyte", 70, 2, encodeValue("x".repeat(1_000_000)), /^service error: x{2000}…$/],
];

for (const [what, status, serialization, body, message] of errors) {
  test(`an error status with ${what} is the peer's error`, async (t) => {
    const { client, target } = await world(t, ({ socket, frame }) => {
      socket.write(encodeFrame({ ...frame, request: false, twoWay: false, status, serialization, body }));
    });
    await assert.rejects(client.call(target, echo(1)), (error) => {
      assert.ok(error instanceof DubboError);
      assert.match(error.message, message);
      assert.equal(error.kind, "peer");
      return true;
    });
  });
}

test("closed between the lease and the call: no new connection", async (t) => {
  const { server, client, target } = await world(t, (request) => respond(request, 1, request.argument));
  await client.call(target, echo(1));
  // The connection lingers, so this call has its lease already.
  const late = client.call(target, echo(2));
  const closed = client.close();
  await assert.rejects(late, { name: "ClosedError" });
  await closed;
  assert.equal(server.accepted, 1);
});

test("a peer that ends its side answers nobody any more", async (t) => {
  const { client, target } = await world(t, ({ socket }) => {
    // Our side stays open, full of what is not read.
    socket.pause();
    socket.end();
  });
  const calls = [1, 2].map((i) => client.call(target, echo("x".repeat(i * 4_000_000)), { timeoutMs: 20_000 }));
  for (const one of await Promise.allSettled(calls)) {
    assert.ok(one.status === "rejected" && /closed the connection/.test(String(one.reason)));
  }
});

async function accepted(server: TestServer, count: number): Promise<Socket> {
  while (server.accepted < count) await new Promise((resolve) => setImmediate(resolve));
  return [...server.sockets].at(-1) as Socket;
}

test("a connection that has been silent is not used for further calls, and ends with its last one", async (t) => {
  const clock = new VirtualClock();
  const held: Request[] = [];
  const { server, client, target } = await world(
    t,
    (request) => {
      if (request.argument === "now") respond(request, 1, request.argument);
      else held.push(request);
    },
    createRuntime({ clock }),
  );
  const controller = new AbortController();
  const patient = client.call(target, echo("patient"), { timeoutMs: Number.POSITIVE_INFINITY });
  const silent = client.call(target, echo("silent"), {
    timeoutMs: Number.POSITIVE_INFINITY,
    signal: controller.signal,
  });
  const first = await accepted(server, 1);
  // One that is left early says nothing about the peer.
  const early = AbortSignal.abort(new Error("early"));
  await assert.rejects(client.call(target, echo(0), { signal: early }), /early/);
  const hurried = client.call(target, echo("hurried"), { timeoutMs: 999 });
  const rejected = assert.rejects(hurried, /999 ms were not enough/);
  await clock.advance(999);
  await rejected;
  const again = client.call(target, echo("now"));
  assert.equal(await again, "now");
  assert.equal(server.accepted, 1);

  await clock.advance(1_000);
  controller.abort(new Error("enough"));
  await assert.rejects(silent, /enough/);
  assert.equal(await client.call(target, echo("now")), "now");
  assert.equal(server.accepted, 2);
  // Who waits still waits, on the old connection.
  const gone = once(first, "close");
  for (const one of held) if (one.argument === "patient") respond(one, 1, "at last");
  assert.equal(await patient, "at last");
  await gone;
  assert.equal(server.sockets.size, 1);
});
