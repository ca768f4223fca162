import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request as httpsRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createRuntime } from "@dubhe/concurrency";
import { MemoryRegistryServer, memoryRegistry } from "@dubhe/discovery";
import { type HandlerContext, type PeerTls, RpcError } from "@dubhe/rpc";
import { EchoService, echoHandlers, type IssuedCertificate, leakCheck, TestAuthority } from "@dubhe/testing";
import { createApp } from "./app.js";
import { providerTarget } from "./app-tls.js";
import { ClientTlsSources, type TlsOptions } from "./client-tls.js";
import { createClient } from "./create-client.js";
import { createServer } from "./create-server.js";
import type { Server } from "./server.js";
import type { ServerOptions } from "./server-options.js";

const authority = new TestAuthority("Authority");
const stranger = new TestAuthority("Stranger");
const ca = authority.cert;

class Folder {
  readonly path: string;

  constructor(t: TestContext) {
    this.path = mkdtempSync(join(tmpdir(), "tls-"));
    t.after(() => rmSync(this.path, { recursive: true }));
  }

  write(name: string, text: string): string {
    const path = join(this.path, name);
    writeFileSync(path, text);
    return path;
  }

  pair({ cert, key }: IssuedCertificate): { certFile: string; keyFile: string } {
    return { certFile: this.write("tls.crt", cert), keyFile: this.write("tls.key", key) };
  }
}

/** A server on TLS that remembers what its handlers saw of callers. */
async function serving(
  t: TestContext,
  tls: ServerOptions["tls"],
): Promise<{ server: Server; seen: (PeerTls | undefined)[]; url: string }> {
  leakCheck(t);
  const server = createServer({ listen: "127.0.0.1:0", tls: tls! });
  const seen: (PeerTls | undefined)[] = [];
  const handlers = echoHandlers();
  server.add(EchoService, {
    ...handlers,
    unary: (request, context: HandlerContext) => {
      seen.push(context.peer.tls);
      return { text: request.text };
    },
  });
  await server.start();
  t.after(() => server.close({ graceMs: 0 }));
  return { server, seen, url: `https://localhost:${server.address.split(":")[1]}` };
}

async function call(url: string, tls: TlsOptions): Promise<string> {
  await using client = createClient(EchoService, url, { tls });
  return (await client.unary({ text: "hi" }, { waitForReady: false })).text;
}

test("certificates from files, on both sides; handlers know the caller", async (t) => {
  const [mine, theirs] = [new Folder(t), new Folder(t)];
  const caFile = mine.write("ca.crt", ca);
  const { seen, url } = await serving(t, {
    ...mine.pair(authority.issue({ name: "server" })),
    caFile,
    requestCert: true,
  });
  const client = authority.issue({ name: "client", altNames: ["URI:spiffe://example.org/shop"] });
  assert.equal(await call(url, { caFile, ...theirs.pair(client) }), "hi");
  assert.equal(seen[0]!.authorized, true);
  assert.equal(seen[0]!.certificate?.subject, "CN=client");
  assert.deepEqual(seen[0]!.certificate?.subjectAltNames, ["URI:spiffe://example.org/shop"]);
});

test("the same over HTTP/1.1", async (t) => {
  const { seen, url } = await serving(t, { ...authority.issue({ name: "server" }), ca, requestCert: true });
  const request = httpsRequest(`${url}/${EchoService.typeName}/Unary`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    agent: false,
    ca,
    ...authority.issue({ name: "curl" }),
  });
  request.end('{"text":"hi"}');
  const status = await new Promise((resolve, reject) => {
    request.on("error", reject);
    request.on("response", (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode));
    });
  });
  assert.equal(status, 200);
  assert.equal(seen[0]?.certificate?.subject, "CN=curl");
});

test("a caller without certificate, or with one of a stranger, is told what to do", async (t) => {
  const { server, url } = await serving(t, { ...authority.issue({ name: "server" }), ca, requestCert: true });
  await assert.rejects(call(url, { ca }), (error: RpcError) => {
    assert.match(error.message, /wants a client certificate: give tls\.cert and tls\.key/);
    assert.equal(error.processed, "no");
    return error instanceof RpcError;
  });
  await assert.rejects(call(url, { ca, ...stranger.issue({ name: "x" }) }), /may not trust this client's certificate/);
  const { tls } = server.inspect() as { tls: { lastFailure: { reason: string } } };
  assert.equal(tls.lastFailure.reason, "UNABLE_TO_VERIFY_LEAF_SIGNATURE");
});

test("clear text on a TLS port, and TLS on a clear-text one", async (t) => {
  const { url } = await serving(t, authority.issue({ name: "server" }));
  await using plain = createClient(EchoService, url.replace("https:", "tri:"));
  await assert.rejects(plain.unary({}), /it may want TLS \(https:\/\/\) on this port/);
  await using server = createServer({ listen: "127.0.0.1:0" });
  await server.start();
  await assert.rejects(
    call(`https://${server.address}`, { ca }),
    /does not speak TLS on this port: connect without tls \(tri:\/\/\)/,
  );
});

test("renewed certificates: connections and streams go on, new connections get the new one", async (t) => {
  const folder = new Folder(t);
  const { server, url } = await serving(t, folder.pair(authority.issue({ name: "first" })));
  await using before = createClient(EchoService, url, { tls: { ca } });
  let release!: () => void;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  async function* requests() {
    yield { text: "a" };
    await released;
    yield { text: "b" };
  }
  const stream = before.bidi(requests())[Symbol.asyncIterator]();
  assert.equal((await stream.next()).value?.text, "a");
  folder.pair(stranger.issue({ name: "second" }));
  server.reloadTls();
  await assert.rejects(call(url, { ca }), /not signed by an authority that this client trusts/);
  assert.equal(await call(url, { ca: stranger.cert }), "hi");
  release();
  assert.equal((await stream.next()).value?.text, "b");
  assert.equal((await stream.next()).done, true);
  assert.equal((await before.unary({ text: "still" })).text, "still");
  folder.write("tls.key", "nonsense");
  assert.throws(() => server.reloadTls());
  assert.equal(await call(url, { ca: stranger.cert }), "hi");
});

test("a reload that forgets requestCert is refused, and clients are asked as before", async (t) => {
  const { server, url } = await serving(t, { ...authority.issue({ name: "server" }), ca, requestCert: true });
  assert.throws(() => server.reloadTls(authority.issue({ name: "renewed" })), /requestCert of tls cannot change/);
  server.reloadTls({ ...authority.issue({ name: "renewed" }), ca, requestCert: true });
  await assert.rejects(call(url, { ca }), /wants a client certificate/);
});

test("a client that renews its certificate uses it for new connections, and the old one while the new is unusable", async (t) => {
  const { seen, url } = await serving(t, { ...authority.issue({ name: "server" }), ca, requestCert: true });
  const folder = new Folder(t);
  const files = folder.pair(authority.issue({ name: "one" }));
  const reports: unknown[] = [];
  const runtime = createRuntime({ report: (error) => reports.push(error) });
  const sources = new ClientTlsSources(runtime);
  const source = sources.target({ ca, ...files }).tls!;
  assert.equal(sources.target({ ca, ...files }).tls, source, "equal options share connections");
  assert.notEqual(sources.target({ ca: `${ca}\n`, ...files }).tls, source);
  const now = (): TlsOptions => (source as () => TlsOptions)();
  await call(url, now());
  folder.pair(authority.issue({ name: "two" }));
  await call(url, now());
  folder.write("tls.key", "half");
  await call(url, now());
  await call(url, now());
  assert.deepEqual(
    seen.map((tls) => tls?.certificate?.subject),
    ["CN=one", "CN=two", "CN=two", "CN=two"],
  );
  assert.equal(reports.length, 1, "told once, not for each connection");
  rmSync(files.certFile);
  const fresh = new ClientTlsSources(runtime).target({ ca, ...files }).tls as () => TlsOptions;
  assert.throws(fresh, /cannot read .*tls\.crt \(certFile of tls\)/);
  await assert.rejects(call(url, { ca, ...files }), /cannot read .*tls\.crt \(certFile of tls\)/);
});

test("providers that are found by name, over mutual TLS", async (t) => {
  leakCheck(t);
  const store = new MemoryRegistryServer("tls");
  const registry = () => memoryRegistry(createRuntime(), store);
  await using shop = createApp({ name: "shop", registry: registry() });
  const tls = { ...authority.issue({ name: "shop", altNames: ["DNS:shop.internal"] }), ca, requestCert: true };
  const server = shop.createServer({ listen: "127.0.0.1:0", tls });
  server.add(EchoService, echoHandlers());
  await server.start();
  await using cart = createApp({
    name: "cart",
    registry: registry(),
    tls: { ca, ...authority.issue({ name: "cart" }), servername: ({ application }) => `${application}.internal` },
  });
  assert.equal((await cart.client(EchoService).unary({ text: "found" })).text, "found");
  await using wrong = createApp({
    name: "wrong",
    registry: registry(),
    tls: { ca, ...authority.issue({ name: "cart" }) },
  });
  await assert.rejects(
    wrong.client(EchoService).unary({}, { timeoutMs: 1_000 }),
    /certificate is for DNS:shop\.internal, not for 127\.0\.0\.1/,
  );
});

test("a servername that throws for one provider hides no other", async (t) => {
  leakCheck(t);
  const reports: unknown[] = [];
  const runtime = createRuntime({ report: (error) => reports.push(error) });
  const target = providerTarget(
    {
      servername: ({ host }) => {
        if (host === "bad") throw new Error("no name");
        return "good.internal";
      },
    },
    new ClientTlsSources(runtime),
    runtime,
  );
  assert.deepEqual(target({ application: "a", host: "bad", port: 1 }), { host: "bad", port: 1, tls: {} });
  assert.equal(target({ application: "a", host: "good", port: 1 }).servername, "good.internal");
  assert.equal(reports.length, 1);
});

test("names of a client's options that are none, and a certificate without its key", async (t) => {
  leakCheck(t);
  const typo = { cafile: "x" } as TlsOptions;
  assert.throws(
    () => createClient(EchoService, "https://h:1", { tls: typo }),
    /unknown option "cafile" of tls.*caFile/,
  );
  assert.throws(() => createApp({ name: "x", registry: "memory:x", tls: typo }), /unknown option "cafile" of tls/);
  assert.throws(
    () => createClient(EchoService, "https://h:1", { tls: { certFile: "x" } }),
    /tls takes certFile only together with keyFile/,
  );
});

test("https:// addresses within an App are verified as the App says", async (t) => {
  const { seen, url } = await serving(t, { ...authority.issue({ name: "server" }), ca, requestCert: true });
  const registry = memoryRegistry(createRuntime(), new MemoryRegistryServer("https"));
  await using app = createApp({ name: "app", registry, tls: { ca, ...authority.issue({ name: "app" }) } });
  assert.equal((await app.client(EchoService, { url }).unary({ text: "x" })).text, "x");
  assert.equal(seen[0]?.certificate?.subject, "CN=app");
});

test("a certificate file that is not there is an error of start", async (t) => {
  leakCheck(t);
  const server = createServer({ listen: "127.0.0.1:0", tls: { certFile: "/none/tls.crt", keyFile: "/none/tls.key" } });
  await assert.rejects(server.start(), /cannot read \/none\/tls\.crt \(certFile of tls\): ENOENT/);
  assert.throws(() => server.reloadTls(), /has no TLS, or has not started/);
});

test("a Unix socket, also of an App, which tells nobody", async (t) => {
  leakCheck(t);
  const folder = new Folder(t);
  const store = new MemoryRegistryServer("unix");
  await using app = createApp({ name: "side", registry: memoryRegistry(createRuntime(), store) });
  const server = app.createServer({ listen: `unix:${join(folder.path, "s")}`, socketMode: 0o600 });
  const seen: HandlerContext["peer"][] = [];
  server.add(EchoService, {
    unary: (request, context: HandlerContext) => {
      seen.push(context.peer);
      return { text: request.text };
    },
  });
  await server.start();
  assert.equal(server.address, `unix:${join(folder.path, "s")}`);
  await using client = createClient(EchoService, server.address);
  assert.equal((await client.unary({ text: "unix" })).text, "unix");
  assert.deepEqual([seen[0]!.address, seen[0]!.tls, seen[0]!.connection.secure], [undefined, undefined, false]);
  assert.equal((server.inspect() as { registration: unknown }).registration, null);
  const second = createServer({ listen: server.address });
  await assert.rejects(second.start(), /another process listens there/);
});
