/**
 * A subject is one RPC library, under `subjects/NAME/`:
 *   server.mjs exports `serve(options)`, which resolves to the port it listens on;
 *   client.mjs exports `connect(target)`, which resolves to a Subject.
 *
 * All subjects do the same work: protobuf messages with 64 octets of payload, a deadline on every call, one interceptor
 * on the client. A Subject checks what comes back and rejects when it is not what was sent.
 *
 * @typedef {object} Target
 * @property {number} port  of the server, on 127.0.0.1
 * @property {string} [registry]  URL of the registry to go through, for subjects that have one
 *
 * @typedef {object} EchoStream
 * @property {() => Promise<void>} exchange  one message there and one back
 * @property {() => Promise<void>} end  half-close, and wait for the status
 *
 * @typedef {object} Subject
 * @property {() => Promise<void>} unary
 * @property {() => EchoStream} openStream  with the deadline of a call
 * @property {() => EchoStream} openLongStream  with the deadline of a session
 * @property {() => Promise<void>} exchangeOnNewClient  a client, one exchange on a stream, and the client's disposal
 * @property {() => Promise<void>} close
 */

export const SUBJECTS = ["dubhe", "grpc-js", "connect-node"];

export const PAYLOAD = new Uint8Array(64).fill(0x61);
/** Milliseconds. */
export const CALL_DEADLINE = 3_000;
export const SESSION_DEADLINE = 600_000;

export function checkEcho(data) {
  if (data.length !== PAYLOAD.length || data[0] !== PAYLOAD[0] || data[PAYLOAD.length - 1] !== PAYLOAD[0]) {
    throw new Error(`the echo has ${data.length} octets`);
  }
}

/** Counts what the one interceptor of every subject has seen, so that none is optimised away. */
export const seen = { started: 0, succeeded: 0 };
