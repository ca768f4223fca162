import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { type TestContext, test } from "node:test";
import { createRuntime } from "@dubhe/concurrency";
import { encodeValue } from "@dubhe/hessian2";
import { leakCheck } from "@dubhe/testing";
import { DubboClient, type DubboClientOptions } from "./client.js";
import { DubboError, type DubboErrorKind } from "./dubbo-error.js";
import { encodeFrame, type Frame } from "./frame.js";
import { dubboServer, type Request, respond } from "./test-support/dubbo-server.js";

const echo = (argument: unknown) => ({
  service: "a.Echo",
  method: "echo",
  parameterTypes: ["java.lang.Object"],
  args: [argument],
});

function clientFor(t: TestContext, options?: DubboClientOptions): DubboClient {
  leakCheck(t);
  const client = new DubboClient(createRuntime(), { lingerMs: 0, ...options });
  t.after(() => client.close());
  return client;
}

const failed = (kind: DubboErrorKind, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof DubboError, String(error));
  assert.match(error.message, message);
  assert.equal(error.kind, kind);
  return true;
};

test("many calls share a connection, and each gets its own answer, whatever their order", async (t) => {
  const held: Request[] = [];
  const server = await dubboServer(t, (request) => {
    held.push(request);
    if (held.length === 100) for (const one of held.reverse()) respond(one, 1, one.argument);
  });
  const client = clientFor(t);
  const target = { host: "127.0.0.1", port: server.port };
  const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => client.call(target, echo(i))));
  assert.deepEqual(
    answers,
    Array.from({ length: 100 }, (_, i) => i),
  );
  assert.equal(server.accepted, 1);
});

test("a connection lingers for the next call, and is closed afterwards", async (t) => {
  const server = await dubboServer(t, (request) => respond(request, 1, request.argument));
  const client = clientFor(t, { lingerMs: 50 });
  const target = { host: "127.0.0.1", port: server.port };
  await client.call(target, echo(1));
  await client.call(target, echo(2));
  assert.equal(server.accepted, 1);
  const [socket] = server.sockets;
  assert.ok(socket);
  await once(socket, "close");
  assert.equal(client.size, 0);
});

test("heartbeats are answered, calls of the server refused, and neither disturbs", async (t) => {
  const answered: Frame[] = [];
  const server = await dubboServer(t, (request) => {
    const { socket, frame } = request;
    if (!frame.request) {
      answered.push(frame);
      if (answered.length === 2) respond(first as Request, 1, "done");
      return;
    }
    first = request;
    const body = encodeValue(null);
    const common = { request: true, twoWay: true, serialization: 2, status: 0, body };
    socket.write(encodeFrame({ ...common, event: true, id: 77n }));
    // An answer that nobody waits for, and a heartbeat that wants none.
    socket.write(encodeFrame({ ...common, event: false, request: false, id: 999n }));
    socket.write(encodeFrame({ ...common, event: true, twoWay: false, id: 78n }));
    socket.write(encodeFrame({ ...common, event: false, id: 79n }));
  });
  let first: Request | undefined;
  const client = clientFor(t);
  assert.equal(await client.call({ host: "127.0.0.1", port: server.port }, echo(1)), "done");
  assert.deepEqual(
    answered.map(({ id, event, status }) => ({ id, event, status })),
    [
      { id: 77n, event: true, status: 20 },
      { id: 79n, event: false, status: 60 },
    ],
  );
});

test('a server that leaves ("R") answers what it has, and is connected to anew', async (t) => {
  const server = await dubboServer(t, (request) => {
    if (!request.frame.request) return;
    const body = encodeValue("R");
    const leaving = { request: true, twoWay: false, event: true, serialization: 2, status: 0, id: 1n, body };
    request.socket.write(encodeFrame(leaving));
    respond(request, 1, request.argument);
  });
  const client = clientFor(t, { lingerMs: 1_000 });
  const target = { host: "127.0.0.1", port: server.port };
  assert.equal(await client.call(target, echo(1)), 1);
  assert.equal(await client.call(target, echo(2)), 2);
  assert.equal(server.accepted, 2);
});

test("a closed port", async (t) => {
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as AddressInfo;
  listener.close();
  await once(listener, "close");
  const call = clientFor(t).call({ host: "127.0.0.1", port }, echo(1));
  await assert.rejects(call, failed("connect", new RegExp(`^connect ECONNREFUSED 127\\.0\\.0\\.1:${port}$`)));
});

test("a peer that speaks something else", async (t) => {
  const server = await dubboServer(t, ({ socket }) => socket.write("HTTP/1.1 400 Bad Request\r\n\r\n"));
  const call = clientFor(t).call({ host: "127.0.0.1", port: server.port }, echo(1));
  await assert.rejects(call, failed("protocol", /^127\.0\.0\.1:\d+: the peer does not speak the dubbo protocol/));
});

test("a peer that hangs up in the middle fails every call, and the next call connects anew", async (t) => {
  let hangUp = true;
  const server = await dubboServer(t, (request) => {
    if (hangUp) request.socket.destroy();
    else respond(request, 1, request.argument);
  });
  const client = clientFor(t, { lingerMs: 1_000 });
  const target = { host: "127.0.0.1", port: server.port };
  const calls = await Promise.allSettled([client.call(target, echo(1)), client.call(target, echo(2))]);
  for (const call of calls) {
    assert.ok(call.status === "rejected" && failed("connection", /closed the connection/)(call.reason));
  }
  hangUp = false;
  assert.equal(await client.call(target, echo(3)), 3);
});

test("a body that is no hessian fails its call only", async (t) => {
  const server = await dubboServer(t, (request) => {
    if (request.argument === "bad") {
      request.socket.write(
        encodeFrame({ ...request.frame, request: false, status: 20, body: Buffer.from([0x91, 0x40]) }),
      );
    } else respond(request, 1, request.argument);
  });
  const client = clientFor(t);
  const target = { host: "127.0.0.1", port: server.port };
  const [bad, good] = await Promise.allSettled([client.call(target, echo("bad")), client.call(target, echo("good"))]);
  assert.ok(bad.status === "rejected" && /unexpected 0x40/.test(String(bad.reason)));
  assert.deepEqual(good, { status: "fulfilled", value: "good" });
});

test("silence ends with the timeout or the signal, and a late answer harms nobody", async (t) => {
  const held: Request[] = [];
  const server = await dubboServer(t, (request) => {
    if (request.argument === "now") for (const one of [...held, request]) respond(one, 1, one.argument);
    else held.push(request);
  });
  const client = clientFor(t);
  const target = { host: "127.0.0.1", port: server.port };
  const keep = client.call(target, echo("keep"));
  const controller = new AbortController();
  const aborted = client.call(target, echo("abort"), { signal: controller.signal });
  await assert.rejects(
    client.call(target, echo("slow"), { timeoutMs: 30 }),
    failed("timeout", /^30 ms were not enough for an answer of 127\.0\.0\.1:/),
  );
  controller.abort(new Error("enough"));
  await assert.rejects(aborted, /enough/);
  assert.equal(await client.call(target, echo("now")), "now");
  assert.equal(await keep, "keep");
  await assert.rejects(client.call(target, echo(1), { signal: controller.signal }), /enough/);
});

test("close rejects what is under way and leaves no socket", async (t) => {
  let seen = (): void => undefined;
  const asked = new Promise<void>((resolve) => {
    seen = resolve;
  });
  const server = await dubboServer(t, () => seen());
  const client = clientFor(t);
  const target = { host: "127.0.0.1", port: server.port };
  const call = client.call(target, echo(1), { timeoutMs: Number.POSITIVE_INFINITY });
  const rejected = assert.rejects(call, failed("connection", /was closed/));
  await asked;
  const [socket] = server.sockets;
  assert.ok(socket);
  const gone = once(socket, "close");
  await client.close();
  await rejected;
  await gone;
  assert.equal(client.size, 0);
  await assert.rejects(client.call(target, echo(2)));
});
