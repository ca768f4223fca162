/**
 * A subject is one RPC library, under `subjects/NAME/`:
 *   server.mjs exports `serve(options)`, which resolves to the port it listens on;
 *   client.mjs exports `connect(target)`, which resolves to a Subject with a connection of its own.
 *
 * All subjects do the same work: protobuf messages, a deadline on every call, one interceptor on the client. A Subject
 * checks what comes back and rejects when it is not what was sent. References do less, see `SUBJECTS`.
 *
 * @typedef {object} ServeOptions
 * @property {string} [registry]  URL of the registry to be found in, for subjects that have one
 * @property {{ key: string, cert: string }} [tls]  PEM
 * @property {number} maxStreams  that may be open on a connection, where the library's default is lower
 *
 * @typedef {object} Target
 * @property {number} port  of the server, on 127.0.0.1
 * @property {string} [registry]  URL of the registry to go through, for subjects that have one
 * @property {{ cert: string }} [tls]  the server's certificate, for localhost; PEM
 * @property {number} payload  octets of data in each message
 * @property {number} deadlineMs  of a call
 *
 * @typedef {object} EchoStream
 * @property {() => Promise<void>} exchange  one message there and one back
 * @property {() => Promise<void>} end  half-close, and wait for the status
 *
 * @typedef {object} Subject
 * @property {() => Promise<void>} unary
 * @property {() => Promise<void>} park  a call that is never answered
 * @property {() => EchoStream} openStream  with the deadline of a call
 * @property {() => EchoStream} openLongStream  with the deadline of a session
 * @property {(count: number, onMessage: () => void) => Promise<void>} fire  receives so many messages on a stream
 * @property {() => Promise<void>} exchangeOnNewClient  a client, one exchange on a stream, and the client's disposal
 */

/**
 * `runtime` "go" is built by the bench; `package` has the version. A reference is no peer: it says what the platform or
 * another language allows. `bare` ones have no codec, no deadline, no interceptor.
 */
export const SUBJECTS = [
  { name: "dubhe", runtime: "node", package: "dubhe" },
  { name: "grpc-js", runtime: "node", package: "@grpc/grpc-js" },
  { name: "connect-node", runtime: "node", package: "@connectrpc/connect-node" },
  { name: "nice-grpc", runtime: "node", package: "nice-grpc" },
  { name: "grpc-go", runtime: "go", reference: true },
  { name: "node-http2", runtime: "node", reference: true, bare: true },
  { name: "net-echo", runtime: "node", reference: true, bare: true },
];

export const subjectNamed = (name) => SUBJECTS.find((subject) => subject.name === name);

export const SESSION_DEADLINE_MS = 600_000;

/** What is sent, and the check of what comes back. */
export function echoOf(size) {
  const data = new Uint8Array(size).fill(0x61);
  return {
    data,
    check(echo) {
      if (echo.length !== size || echo[0] !== 0x61 || echo[size - 1] !== 0x61) {
        throw new Error(`the echo of ${size} octets has ${echo.length}`);
      }
    },
  };
}

/** Counts what the one interceptor of every subject has seen, so that none is optimised away. */
export const seen = { started: 0, succeeded: 0 };
