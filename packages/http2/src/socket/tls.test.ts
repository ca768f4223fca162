import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { createRuntime } from "@dubhe/concurrency";
import { leakCheck, TestAuthority } from "@dubhe/testing";
import type { Connection, ConnectionSink } from "../types.js";
import { type ConnectTarget, connect } from "./connect.js";
import { createListener } from "./listener.js";
import type { Listener, ListenerOptions } from "./listener-types.js";
import { splitAltNames } from "./socket-facts.js";

const runtime = createRuntime();
const authority = new TestAuthority("Authority");
const stranger = new TestAuthority("Stranger");
const server = authority.issue({ name: "server" });
const client = authority.issue({ name: "client", altNames: ["URI:spiffe://example.org/shop"] });
const ca = authority.cert;
const quiet: ConnectionSink = { onReady() {}, onCapacity() {}, onDraining() {}, onClose() {} };

/** A listener whose connections can be awaited. */
async function listening(
  t: TestContext,
  options: ListenerOptions,
): Promise<{ listener: Listener; port: number; accepted: Connection[] }> {
  leakCheck(t);
  const accepted: Connection[] = [];
  const listener = createListener(runtime, options, (connection) => {
    accepted.push(connection);
    return quiet;
  });
  const { port } = await listener.listen({ host: "127.0.0.1", port: 0 });
  t.after(() => listener.destroy());
  return { listener, port, accepted };
}

/** Resolves when the handshake is over, rejects with the connection's error. */
function open(t: TestContext, target: ConnectTarget): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const connection = connect(
      runtime,
      { host: "127.0.0.1", servername: "localhost", ...target },
      {},
      {
        ...quiet,
        onReady: resolve,
        onClose: (_connection, error) => reject(error ?? new Error("closed")),
      },
    );
    t.after(() => connection.destroy());
  });
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(setImmediate);
}

// ---- who the peer is

test("both sides know each other", async (t) => {
  const { port, accepted } = await listening(t, { tls: { ...server, requestCert: true, ca } });
  const connection = await open(t, { port, tls: { ca, ...client } });
  const seen = accepted[0]!.tls!;
  assert.equal(seen.protocol, "TLSv1.3");
  assert.match(seen.cipher, /^TLS_/);
  assert.equal(seen.servername, "localhost");
  assert.equal(seen.authorized, true);
  assert.equal(seen.authorizationError, undefined);
  const x509 = new X509Certificate(client.cert);
  assert.deepEqual(seen.certificate, {
    subject: "CN=client",
    issuer: "CN=Authority",
    subjectAltNames: ["URI:spiffe://example.org/shop"],
    serialNumber: x509.serialNumber,
    fingerprint256: x509.fingerprint256,
    validTo: new Date("2119-01-01T00:00:00Z"),
    raw: x509.raw,
  });
  assert.equal(accepted[0]!.tls, seen, "made once");
  assert.equal(connection.tls?.authorized, true);
  assert.equal(connection.tls?.certificate?.subject, "CN=server");
  connection.destroy();
  await until(() => accepted[0]!.state === "closed");
  assert.equal(accepted[0]!.tls, seen, "kept");
});

test("a client that need not show a certificate, and shows none, or a bad one", async (t) => {
  const { port, accepted } = await listening(t, {
    tls: { ...server, requestCert: true, rejectUnauthorized: false, ca },
  });
  await open(t, { port, tls: { ca } });
  assert.equal(accepted[0]!.tls?.authorized, false);
  assert.equal(accepted[0]!.tls?.certificate, undefined);
  assert.ok(accepted[0]!.tls?.authorizationError);
  await open(t, { port, tls: { ca, ...stranger.issue({ name: "x" }) } });
  assert.equal(accepted[1]!.tls?.authorized, false);
  assert.equal(accepted[1]!.tls?.authorizationError, "UNABLE_TO_VERIFY_LEAF_SIGNATURE");
  assert.equal(accepted[1]!.tls?.certificate?.subject, "CN=x");
});

test("clear text has no tls, and an end before anybody asked leaves none", async (t) => {
  const { port, accepted } = await listening(t, {});
  await open(t, { port });
  assert.equal(accepted[0]!.tls, undefined);
  const secure = await listening(t, { tls: server });
  const connection = await open(t, { port: secure.port, tls: { ca } });
  connection.destroy();
  await until(() => secure.accepted[0]!.state === "closed");
  assert.equal(secure.accepted[0]!.secure, true);
  assert.equal(secure.accepted[0]!.tls, undefined);
});

for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
  test(`a resumed session still has its certificate, ${maxVersion}`, async (t) => {
    const { port, accepted } = await listening(t, { tls: { ...server, requestCert: true, ca, maxVersion } });
    const session = await resumable(t, port);
    const again = connectTls({
      port,
      host: "127.0.0.1",
      servername: "localhost",
      ca,
      ...client,
      ALPNProtocols: ["h2"],
      session,
    });
    t.after(() => again.destroy());
    await once(again, "secureConnect");
    assert.equal(again.isSessionReused(), true);
    await until(() => accepted.length === 2);
    assert.equal(accepted[1]!.tls?.authorized, true);
    assert.equal(accepted[1]!.tls?.certificate?.subject, "CN=client");
  });
}

/** A session of a client with its certificate. */
async function resumable(t: TestContext, port: number): Promise<Buffer> {
  const first = connectTls({ port, host: "127.0.0.1", servername: "localhost", ca, ...client, ALPNProtocols: ["h2"] });
  t.after(() => first.destroy());
  first.resume();
  const [session] = (await once(first, "session")) as [Buffer];
  return session;
}

test("names in a certificate", () => {
  assert.deepEqual(splitAltNames(""), []);
  assert.deepEqual(splitAltNames("DNS:a.example, IP Address:10.0.0.1, URI:spiffe://x/y"), [
    "DNS:a.example",
    "IP Address:10.0.0.1",
    "URI:spiffe://x/y",
  ]);
  assert.deepEqual(splitAltNames('DNS:"good.example, DNS:evil\\u0000.example", URI:http://x'), [
    "DNS:good.example, DNS:evil\u0000.example",
    "URI:http://x",
  ]);
  const odd = authority.issue({ name: "x", altNames: ["URI:http://a, DNS:evil.example", "DNS:b.example"] });
  assert.deepEqual(splitAltNames(new X509Certificate(odd.cert).subjectAltName!), [
    "URI:http://a, DNS:evil.example",
    "DNS:b.example",
  ]);
});

// ---- which certificate the server shows

async function certificateFor(t: TestContext, port: number, servername: string | undefined): Promise<string> {
  const socket: TLSSocket = connectTls({
    port,
    host: "127.0.0.1",
    ALPNProtocols: ["h2"],
    rejectUnauthorized: false,
    ...(servername === undefined ? {} : { servername }),
  });
  t.after(() => socket.destroy());
  await once(socket, "secureConnect");
  return socket.getPeerX509Certificate()!.subject;
}

test("certificates by name", async (t) => {
  const sni = {
    "a.example": authority.issue({ name: "a" }),
    "*.b.example": authority.issue({ name: "wild" }),
    "x.b.example": authority.issue({ name: "x" }),
  };
  const { port } = await listening(t, { tls: { ...server, sni } });
  const names = ["a.example", "A.Example", "c.b.example", "x.b.example", "y.c.b.example", "b.example", "z", undefined];
  const got = [];
  for (const name of names) got.push(await certificateFor(t, port, name));
  assert.deepEqual(
    got,
    ["a", "a", "wild", "x", "server", "server", "server", "server"].map((name) => `CN=${name}`),
  );
});

test("new certificates for new connections; those that exist go on", async (t) => {
  const { listener, port, accepted } = await listening(t, { tls: server });
  const before = await open(t, { port, tls: { ca } });
  const renewed = authority.issue({ name: "renewed" });
  listener.replaceTls({ ...renewed, sni: { "a.example": authority.issue({ name: "a" }) } });
  const after = await open(t, { port, tls: { ca } });
  assert.equal(after.tls?.certificate?.subject, "CN=renewed");
  assert.equal(await certificateFor(t, port, "a.example"), "CN=a");
  assert.equal(before.state, "open");
  assert.equal(before.tls?.certificate?.subject, "CN=server");
  assert.equal(accepted[0]!.state, "open");
});

test("a bad replacement changes nothing", async (t) => {
  const { listener, port } = await listening(t, { tls: { ...server, sni: { "a.example": server } } });
  const other = authority.issue({ name: "other" });
  const half = { cert: other.cert, key: server.key };
  assert.throws(() => listener.replaceTls(half), /mismatch/);
  assert.throws(() => listener.replaceTls({ ...other, cert: other.cert.slice(0, 100) }));
  assert.throws(
    () => listener.replaceTls({ ...other, sni: { "a.example": half } }),
    /certificate for a\.example: .*mismatch/,
  );
  assert.equal(await certificateFor(t, port, "a.example"), "CN=server");
  assert.equal(await certificateFor(t, port, undefined), "CN=server");
  const clear = await listening(t, {});
  assert.throws(() => clear.listener.replaceTls(server), /no TLS/);
});

test("a replacement that forgets what is asked of clients is refused: without ca, any public authority would do", async (t) => {
  const { listener } = await listening(t, { tls: { ...server, requestCert: true, ca } });
  assert.throws(() => listener.replaceTls(server), /requestCert of tls cannot change .* as it was/);
  assert.throws(
    () => listener.replaceTls({ ...server, requestCert: true, rejectUnauthorized: false, ca }),
    /rejectUnauthorized of tls cannot change/,
  );
  const open = await listening(t, { tls: server });
  assert.throws(
    () => open.listener.replaceTls({ ...server, requestCert: true, ca }),
    /requestCert of tls cannot change/,
  );
});

test("new authorities count for those who resume a session too", async (t) => {
  const { listener, port, accepted } = await listening(t, { tls: { ...server, requestCert: true, ca } });
  const session = await resumable(t, port);
  listener.replaceTls({ ...server, ca: stranger.cert, requestCert: true });
  const again = connectTls({
    port,
    host: "127.0.0.1",
    servername: "localhost",
    ca,
    ...client,
    ALPNProtocols: ["h2"],
    session,
  });
  again.on("error", () => undefined);
  again.resume();
  await once(again, "close");
  assert.equal(accepted.length, 1);
  assert.match(listener.lastTlsFailure!.reason, /UNABLE_TO_|SELF_SIGNED/);
});

test("a client's certificate is asked for anew for each connection", async (t) => {
  const { port, accepted } = await listening(t, { tls: { ...server, requestCert: true, ca } });
  let number = 0;
  const tls = (): { ca: string; cert: string; key: string } => ({
    ca,
    ...authority.issue({ name: `client${++number}` }),
  });
  const target = { port, tls };
  await open(t, target);
  await open(t, target);
  assert.deepEqual(
    accepted.map((connection) => connection.tls?.certificate?.subject),
    ["CN=client1", "CN=client2"],
  );
});

test("renegotiation ends the connection (RFC 9113 §9.2.1)", async (t) => {
  const { port, accepted } = await listening(t, { tls: { ...server, maxVersion: "TLSv1.2" } });
  const socket = connectTls({ port, host: "127.0.0.1", servername: "localhost", ca, ALPNProtocols: ["h2"] });
  t.after(() => socket.destroy());
  socket.on("error", () => undefined);
  await once(socket, "secureConnect");
  socket.resume();
  socket.renegotiate({}, () => undefined);
  await once(socket, "close");
  await until(() => accepted[0]!.state === "closed");
});

// ---- bounds

test("mutual TLS on a Unix socket", async (t) => {
  leakCheck(t);
  const folder = mkdtempSync(join(tmpdir(), "http2-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "s");
  const accepted: Connection[] = [];
  const listener = createListener(runtime, { tls: { ...server, requestCert: true, ca } }, (connection) => {
    accepted.push(connection);
    return quiet;
  });
  t.after(() => listener.destroy());
  await listener.listen({ path });
  const connection = await open(t, { path, tls: { ca, ...client } });
  assert.equal(accepted[0]!.tls?.certificate?.subject, "CN=client");
  assert.equal(connection.tls?.certificate?.subject, "CN=server");
  const drained = listener.drain(60_000);
  connection.destroy();
  await drained;
});

test("sockets that were on TLS are counted out when they end", async (t) => {
  const { listener, port } = await listening(t, { tls: server, maxConnections: 1 });
  for (let i = 0; i < 3; i++) {
    const connection = await open(t, { port, tls: { ca } });
    connection.destroy();
    await until(() => listener.connections.size === 0);
    await new Promise(setImmediate);
  }
  assert.equal(listener.counters.refused, 0);
});

test("handshakes that stand still are bounded in time", async (t) => {
  const { listener, port } = await listening(t, { tls: server, handshakeTimeoutMs: 50 });
  const halfway = connectTcp(port, "127.0.0.1");
  halfway.write(Buffer.from([22, 3, 1]));
  halfway.resume();
  await once(halfway, "close");
  await until(() => listener.counters.tlsFailed === 1);
  assert.equal(listener.lastTlsFailure?.reason, "ERR_TLS_HANDSHAKE_TIMEOUT");
});
