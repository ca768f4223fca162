// The package's own client, for what a registry has no word for: raw nodes, and the credentials of a session.
import { createRuntime } from "@dubhe/concurrency";
import { parseZookeeperUrl, zookeeperRegistry } from "@dubhe/registry-zookeeper";
import { readConnectResponse } from "../../packages/registry-zookeeper/dist/protocol.js";
import { ZookeeperSession } from "../../packages/registry-zookeeper/dist/session.js";
import { socketTransport } from "../../packages/registry-zookeeper/dist/socket-transport.js";

/** A session of its own, to make nodes and to look. */
export function openSession(url, { transport, sessionTimeoutMs } = {}) {
  const config = parseZookeeperUrl(url);
  const { servers, chroot, connectTimeoutMs, maxPacket, username, password } = config;
  const options = {
    servers,
    chroot,
    connectTimeoutMs,
    maxPacket,
    transport: transport ?? socketTransport(config.tls),
    sessionTimeoutMs: sessionTimeoutMs ?? config.sessionTimeoutMs,
    auth: username === undefined ? undefined : { username, password },
  };
  return ZookeeperSession.open(createRuntime(), options, 0, new AbortController().signal);
}

/** A registry of which the test can break the connection, and have the server end the session. */
export function openRegistry(url, { runtime = createRuntime(), servers } = {}) {
  const parsed = parseZookeeperUrl(url);
  const config = servers === undefined ? parsed : { ...parsed, servers };
  const recorder = new RecordingTransport(socketTransport(config.tls));
  const registry = zookeeperRegistry(runtime, config, { transport: recorder });
  return {
    registry,
    recorder,
    breakConnection: () => recorder.breakConnection(),
    /** From a second connection that knows the password. Ours is away meanwhile, or it would take the session back. */
    async expire() {
      const thief = new RecordingTransport(socketTransport(config.tls), recorder.session);
      recorder.blocked = true;
      recorder.breakConnection();
      const session = await openSession(url, { transport: thief });
      await session.close();
      recorder.blocked = false;
    },
  };
}

/** Notes what a handshake says; with `as`, claims that session in its own. */
export class RecordingTransport {
  session;
  /** Whether connections are refused. */
  blocked = false;
  opened = 0;
  #inner;
  #as;
  #current;

  constructor(inner, as) {
    this.#inner = inner;
    this.#as = as;
  }

  breakConnection() {
    const current = this.#current;
    if (current === undefined) return;
    current.stream.destroy();
    current.sink.closed(new Error("broken by the test"));
  }

  open(server, sink) {
    this.opened++;
    if (this.blocked) {
      const timer = setTimeout(() => sink.closed(new Error("refused by the test")), 5);
      return { write() {}, destroy: () => clearTimeout(timer), keepAlive() {} };
    }
    let first = true;
    const stream = this.#inner.open(server, {
      opened: () => sink.opened(),
      closed: (error) => sink.closed(error),
      received: (chunk) => {
        if (first) {
          first = false;
          const { sessionId, password, timeoutMs } = readConnectResponse(chunk.subarray(4));
          if (timeoutMs > 0) this.session = { id: sessionId, password };
        }
        sink.received(chunk);
      },
    });
    let handshake = this.#as !== undefined;
    const wrapped = {
      write: (bytes) => {
        if (handshake) {
          // length, version, last zxid, timeout, session id, length of the password, password
          handshake = false;
          bytes.writeBigInt64BE(this.#as.id, 20);
          this.#as.password.copy(bytes, 32);
        }
        stream.write(bytes);
      },
      destroy: () => stream.destroy(),
      keepAlive: (keep) => stream.keepAlive(keep),
    };
    this.#current = { stream, sink };
    return wrapped;
  }
}
