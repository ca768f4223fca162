import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";
import { createRuntime } from "@dubhe/concurrency";
import { leakCheck, TestAuthority } from "@dubhe/testing";
import type { Connection, ConnectionSink } from "../types.js";
import { type ConnectTarget, connect } from "./connect.js";
import { createListener } from "./listener.js";
import type { Listener, ListenerOptions } from "./listener-types.js";

const runtime = createRuntime();
const authority = new TestAuthority("Authority");
const stranger = new TestAuthority("Stranger");
const server = authority.issue({ name: "server" });
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

async function rawServer(t: TestContext, onSocket: (socket: Socket) => void, tls?: TlsOptions): Promise<number> {
  leakCheck(t);
  const sockets = new Set<Socket>();
  const taken = (socket: Socket): void => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    onSocket(socket);
  };
  const raw = tls === undefined ? createServer(taken) : createTlsServer(tls, taken);
  raw.listen(0, "127.0.0.1");
  await once(raw, "listening");
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    raw.close();
  });
  return (raw.address() as { port: number }).port;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(setImmediate);
}

const failures: readonly {
  readonly what: string;
  readonly server?: ListenerOptions["tls"];
  readonly client?: ConnectTarget;
  readonly message: RegExp;
  /** What the server notes. */
  readonly reason?: string;
}[] = [
  {
    what: "an unknown authority",
    client: { tls: { ca: stranger.cert } },
    message:
      /not signed by an authority that this client trusts \(unable to verify the first certificate\): give .* tls\.ca/,
  },
  {
    what: "an expired certificate",
    server: authority.issue({ name: "server", notAfter: "20210101000000Z" }),
    message: /certificate has expired.*renew it/,
  },
  {
    what: "a certificate from the future",
    server: authority.issue({ name: "server", notBefore: "21000101000000Z" }),
    message: /not valid yet: compare the clocks/,
  },
  {
    what: "a certificate for another name",
    client: { tls: { ca }, servername: "shop.example" },
    message: /is for DNS:localhost, IP Address:127\.0\.0\.1, not for shop\.example: .*servername/,
  },
  {
    what: "no client certificate, TLS 1.3",
    server: { ...server, requestCert: true, ca },
    message: /wants a client certificate: give tls\.cert and tls\.key/,
    reason: "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE",
  },
  {
    what: "no client certificate, TLS 1.2",
    server: { ...server, requestCert: true, ca, maxVersion: "TLSv1.2" },
    message: /refused the TLS handshake: it may want a client certificate/,
    reason: "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE",
  },
  {
    what: "a client certificate of a stranger, TLS 1.3",
    server: { ...server, requestCert: true, ca },
    client: { tls: { ca, ...stranger.issue({ name: "x" }) } },
    message: /closed the connection right after the TLS handshake.*may not trust this client's certificate/,
    reason: "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  },
  {
    what: "an expired client certificate, TLS 1.2",
    server: { ...server, requestCert: true, ca, maxVersion: "TLSv1.2" },
    client: { tls: { ca, ...authority.issue({ name: "x", notAfter: "20210101000000Z" }) } },
    message: /closed the connection in the TLS handshake/,
    reason: "CERT_HAS_EXPIRED",
  },
  {
    what: "no TLS version in common",
    server: { ...server, minVersion: "TLSv1.3" },
    client: { tls: { ca, maxVersion: "TLSv1.2" } },
    message: /no TLS version in common/,
    reason: "ERR_SSL_UNSUPPORTED_PROTOCOL",
  },
  {
    what: "no cipher in common",
    server: { ...server, maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256" },
    client: { tls: { ca, ciphers: "ECDHE-ECDSA-AES256-GCM-SHA384" } },
    message: /refused the TLS handshake: .*no cipher in common/,
    reason: "ERR_SSL_NO_SHARED_CIPHER",
  },
  {
    what: "a cipher that HTTP/2 forbids",
    client: { tls: { ca, maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES128-SHA256" } },
    message: /no cipher in common/,
    reason: "ERR_SSL_NO_SHARED_CIPHER",
  },
];

for (const { what, server: serverTls = server, client: target = { tls: { ca } }, message, reason } of failures) {
  test(`told: ${what}`, async (t) => {
    const { listener, port } = await listening(t, { tls: serverTls });
    await assert.rejects(open(t, { port, ...target }), { message, by: "transport" });
    if (reason !== undefined) {
      await until(() => listener.counters.tlsFailed === 1);
      assert.equal(listener.lastTlsFailure?.reason, reason);
      // Of a certificate that is not accepted node tells when the socket is gone.
      assert.equal(listener.lastTlsFailure?.address, reason.startsWith("ERR_SSL_") ? "127.0.0.1" : undefined);
    }
  });
}

test("told: a TLS server without h2", async (t) => {
  const port = await rawServer(t, () => undefined, server);
  await assert.rejects(open(t, { port, tls: { ca } }), { message: /does not offer HTTP\/2 by ALPN/ });
  const other = await rawServer(t, () => undefined, { ...server, ALPNProtocols: ["http/1.1"] });
  await assert.rejects(open(t, { port: other, tls: { ca } }), { message: /does not offer HTTP\/2 by ALPN/ });
});

test("told: no TLS on this port", async (t) => {
  const answers: readonly ((socket: Socket) => void)[] = [
    (socket) => socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])),
    (socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"),
    (socket) => socket.pipe(socket),
  ];
  for (const answer of answers) {
    const port = await rawServer(t, answer);
    await assert.rejects(open(t, { port, tls: { ca } }), {
      message: /does not speak TLS on this port: connect without/,
    });
  }
  const port = await rawServer(t, (socket) => socket.destroy());
  await assert.rejects(open(t, { port, tls: { ca } }), { message: /closed the connection in the TLS handshake/ });
});

test("told: no clear text on this port", async (t) => {
  const { port } = await listening(t, { tls: server });
  await assert.rejects(open(t, { port }), { message: /closed the connection before it said anything.*https:/ });
  const alert = await rawServer(t, (socket) => socket.end(Buffer.from([21, 3, 1, 0, 2, 2, 70])));
  await assert.rejects(open(t, { port: alert }), { message: /speaks TLS on this port: connect with tls/ });
  const go = await rawServer(t, (socket) =>
    socket.end("HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"),
  );
  await assert.rejects(open(t, { port: go }), { message: /speaks TLS on this port: connect with tls/ });
});

test("a key that is none is told by the connection", async (t) => {
  leakCheck(t);
  await assert.rejects(open(t, { port: 1, tls: { key: "x", cert: "y" } }), { by: "transport" });
  const unreadable = (): never => {
    throw new Error("cannot read /etc/tls/tls.key");
  };
  await assert.rejects(open(t, { port: 1, tls: unreadable }), { message: "cannot read /etc/tls/tls.key" });
});
