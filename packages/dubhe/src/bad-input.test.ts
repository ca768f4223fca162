import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import { Code, RpcError } from "@dubhe/rpc";
import { EchoService, leakCheck } from "@dubhe/testing";
import { createApp } from "./app.js";
import { createClient } from "./create-client.js";

test("a memory registry may be named by a number, such as a process id", async () => {
  await using app = createApp({ name: "shop", registry: "memory:4242" });
  assert.match(JSON.stringify(app.inspect().registries), /"id":"memory:4242"/);
});

for (const [options, says] of [
  [{}, /needs the name of the application/],
  [{ name: "" }, /needs the name/],
  [{ name: "mapping" }, /"mapping" cannot be an application name/],
  [{ name: "a,b" }, /"a,b" may only have letters/],
  [{ nmae: "shop" }, /unknown option "nmae" of createApp. Did you mean "name"/],
  [{ name: "shop", registry: "127.0.0.1:8848" }, /nacos:\/\/127\.0\.0\.1:8848/],
  [{ name: "shop", registry: "zookeeper:127.0.0.1:2181" }, /no registry URL; write zookeeper:\/\/127\.0\.0\.1:2181$/],
  [{ name: "shop", registry: "zookeeper:z1:2181?zone=a" }, /write zookeeper:\/\/z1:2181\?zone=a$/],
  [{ name: "shop", registry: "zookeeper:2181" }, /write zookeeper:\/\/zookeeper:2181$/],
  [{ name: "shop", registry: "embedded:9848" }, /write embedded:\/\/127\.0\.0\.1:9848$/],
  [
    { name: "shop", registry: "nacos:me:s3cret@h:8848" },
    /^TypeError: "nacos:\*\*\*@h:8848" is no .* write nacos:\/\/\*\*\*@h:8848$/,
  ],
  [{ name: "shop", registry: "me:123@h:8848" }, /^TypeError: "me:\*\*\*@h:8848" is no registry URL/],
  [{ name: "shop", registry: "nacoss://127.0.0.1:8848" }, /no registry is named "nacoss". Did you mean "nacos"/],
  [{ name: "shop", registry: "nacos://" }, /no host; write nacos:/],
  [{ name: "shop", registry: "nacos://127.0.0.1:8848?namspace=dev" }, /"namspace". Did you mean "namespace"/],
  [{ name: "shop", registry: [] }, /list of registries is empty/],
  [{ name: "shop", registry: ["memory:x", "memory:x"] }, /must differ/],
  [{ name: "shop", registry: {} }, /an object that implements Registry/],
  [{ name: "shop", registry: ["memory:x", "memory:x?zone=a"] }, /must differ/],
  [
    { name: "shop", registry: { url: "memory:x", zome: "a" } },
    /unknown option "zome" of a registry. Did you mean "zone"/,
  ],
  [{ name: "shop", registry: { zone: "a" } }, /either url or registry/],
  [{ name: "shop", registry: { registry: {} } }, /`registry` of a registry is an object that implements Registry/],
  [
    { name: "shop", registry: { url: "memory:x?zone=a", zone: "a" } },
    /zone of a registry is given in its URL and beside it/,
  ],
  [{ name: "shop", registry: { url: "memory:x", type: "both" } }, /type of a registry is service, interface or all/],
  [{ name: "shop", registry: { url: "memory:x?register=false", subscribe: false } }, /is of no use; leave it out/],
  [
    { name: "shop", registry: "nacos://127.0.0.1:8848?regster=false" },
    /unknown parameter "regster". Did you mean "register"/,
  ],
  [
    { name: "shop", registry: "nacos://127.0.0.1:8848?registry_type=all" },
    /"registry_type". Did you mean "registry-type"/,
  ],
  [
    { name: "shop", registry: "zookeper://127.0.0.1:2181" },
    /no registry is named "zookeper". Did you mean "zookeeper"/,
  ],
  [{ name: "shop", registry: "memory:", metadataType: "both" }, /metadataType is "local" or "remote", not "both"/],
  [
    { name: "shop", registry: "memory:", migrationStep: "SOON" },
    /migrationStep is FORCE_INTERFACE, APPLICATION_FIRST, FORCE_APPLICATION, not "SOON"/,
  ],
  [{ name: "shop", registry: "memory:", zone: "" }, /zone is a name; leave it out/],
  [{ name: "shop", registry: "memory:", environment: "" }, /environment is a name; leave it out/],
  [{ name: "shop", registry: "memory:", balancer: "p2c" }, /unknown balancer "p2c"/],
  [
    { name: "shop", registry: "memory:", pool: { maxConnections: 1 } },
    /unknown option "maxConnections" of createApp's pool/,
  ],
  [{ name: "shop", registry: "memory:", discovery: { ttl: 1 } }, /unknown option "ttl" of createApp's discovery/],
  [
    { name: "shop", registry: "memory:", pool: { maxConnectionsPerEndpoint: -1 } },
    /maxConnectionsPerEndpoint of createApp's pool is a number of 0 or more, not -1/,
  ],
  [
    { name: "shop", registry: "memory:", pool: { http2: { keepAlive: false } } },
    /unknown option "keepAlive" of createApp's pool's http2. Did you mean "keepalive"/,
  ],
  [
    { name: "shop", registry: "memory:", pool: { http2: { keepalive: { interval: 5 } } } },
    /unknown option "interval" of createApp's pool's http2.keepalive. Did you mean "intervalMs"/,
  ],
  [{ name: "shop", registry: "memory:", pool: { http2: { stallGraceMs: -1 } } }, /stallGraceMs must be an integer/],
] as const) {
  test(`createApp(${JSON.stringify(options)}) says what to write`, () => {
    assert.throws(() => createApp(options as unknown as Parameters<typeof createApp>[0]), says);
  });
}

test("every option that the types offer is accepted", async () => {
  const pool = { http2: { stallGraceMs: 1_000 }, maxConnectionsPerEndpoint: 2, idleTimeoutMs: 1_000 };
  await using _app = createApp({ name: "shop", registry: "memory:all-options", pool, discovery: { idleMs: 1_000 } });
});

test("a password never shows in an error", () => {
  assert.throws(
    () => createApp({ name: "shop", registry: "nacos://user:s3cret@127.0.0.1:8848?nmespace=x" }),
    (error: Error) => !error.message.includes("s3cret") && error.message.includes("***"),
  );
  for (const registry of [
    "4user:s3cret@127.0.0.1:8848",
    "//user:s3cret@127.0.0.1:8848",
    "user:5s3cret@127.0.0.1:8848",
    "127.0.0.1:8848?password=s3cret",
    "memory://user:s3cret@x",
  ]) {
    assert.throws(
      () => createApp({ name: "shop", registry }),
      (error: Error) => !error.message.includes("s3cret") && error.message.includes("***"),
      registry,
    );
  }
});

test("roles that leave nothing to do are refused where it shows, with what to write", async () => {
  await using consumer = createApp({
    name: "shop",
    registry: ["memory:r1?register=false", "memory:r2?register=false"],
  });
  assert.throws(
    () => consumer.createServer(),
    /all have register=false. Let one register, or use createServer of dubhe/,
  );
  assert.ok(consumer.createServer({ listen: "unix:never-started.sock" }));
  assert.ok(consumer.client(EchoService));
  await using provider = createApp({ name: "shop", registry: { url: "memory:r1", subscribe: false } });
  assert.throws(
    () => provider.client(EchoService),
    /is asked for dubhe\.testing\.v1\.\w+: all have subscribe=false. Let one subscribe, or give the client a url/,
  );
  assert.ok(provider.client(EchoService, { url: "tri://127.0.0.1:1" }));
  assert.ok(provider.createServer());
});

test("client options that make no sense are refused by name", async () => {
  await using app = createApp({ name: "shop", registry: "memory:client-options" });
  assert.throws(
    () => app.client(EchoService, { timout: 1 } as object),
    /unknown option "timout" of app.client. Did you mean "timeoutMs"/,
  );
  assert.throws(() => app.client(EchoService, { tls: {} }), /tls only together with url/);
  assert.throws(() => app.client(EchoService, { url: "tri://a:1", providedBy: "x" }), /url or providedBy/);
  assert.throws(() => app.client(EchoService, { url: "a:1" }), /tri:\/\/a:1/);
  assert.throws(() => app.client(EchoService, { providedBy: "shop,,cart" }), /may only have|needs|empty/);
  assert.throws(() => app.client(EchoService, { providedBy: [] }), /providedBy names no application/);
  assert.throws(
    () => createClient(EchoService, "tri://127.0.0.1:1", { provdedBy: "x" } as object),
    /unknown option "provdedBy" of createClient/,
  );
});

test("an unreachable registry is named, with the address and the reason, once the patience is over", async (t) => {
  leakCheck(t);
  // Far below the time after which a call gives up by itself, so that a busy machine does not turn the order round.
  const discovery = { firstAnswerMs: 50 };
  const app = createApp({ name: "shop", registry: "nacos://127.0.0.1:1?grpc-port=1", discovery });
  await assert.rejects(Promise.resolve(app.client(EchoService).unary({}, { timeoutMs: 5_000 })), (error: unknown) => {
    assert.ok(error instanceof RpcError);
    assert.equal(error.code, Code.Unavailable);
    assert.equal(error.source, "registry");
    assert.match(error.message, /127\.0\.0\.1:1/);
    assert.match(error.message, /ECONNREFUSED/);
    return true;
  });
  await app.close();
});

test("a deadline that passes while a call waits says what it waited for", async (t) => {
  leakCheck(t);
  await using app = createApp({ name: "shop", registry: "memory:deadline-waiting" });
  const waiting = { waitForReady: true, timeoutMs: 50 };
  await assert.rejects(
    Promise.resolve(app.client(EchoService).unary({}, waiting)),
    /deadline exceeded while waiting: no endpoint for .*: no application is mapped/,
  );
  const intercepted = app.client(EchoService, {
    url: "tri://127.0.0.1:1",
    interceptors: [(next) => (call) => next(call)],
  });
  await assert.rejects(
    Promise.resolve(intercepted.unary({}, waiting)),
    (error: unknown) =>
      error instanceof RpcError &&
      error.processed === "no" &&
      /deadline exceeded while waiting: 127\.0\.0\.1:1 is \w+: .*ECONNREFUSED/.test(error.message),
  );
});

test("a server does not start where the registry cannot be reached: it says why and frees its port", {
  timeout: 30_000,
}, async (t) => {
  leakCheck(t);
  const app = createApp({ name: "shop", registry: "nacos://127.0.0.1:1?grpc-port=1" });
  const server = app.createServer({ listen: "127.0.0.1:0" });
  server.add(EchoService, {});
  await assert.rejects(server.start(), /shop at 127\.0\.0\.1:\d+ is not registered after 10 s: .*ECONNREFUSED/s);
  await app.close();
});

test("a peer that answers garbage is named as such", async (t) => {
  leakCheck(t);
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.resume();
    socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  await using echo = createClient(EchoService, `tri://127.0.0.1:${address.port}`);
  await assert.rejects(Promise.resolve(echo.unary({})), (error: unknown) => {
    assert.ok(error instanceof RpcError);
    assert.equal(error.code, Code.Unavailable);
    assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${address.port}`));
    assert.match(error.message, /HTTP/);
    return true;
  });
  await new Promise<void>((resolve) => server.close(() => resolve()));
});
