import { createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { EchoService } from "../../gen/dubhe/bench/v1/echo_pb.js";
import { IterableStream } from "../iterable-stream.mjs";
import { CALL_DEADLINE, checkEcho, PAYLOAD, SESSION_DEADLINE, seen } from "../subject.mjs";

const countingInterceptor = (next) => async (request) => {
  seen.started++;
  const response = await next(request);
  seen.succeeded++;
  return response;
};

const CALL = { timeoutMs: CALL_DEADLINE };
const SESSION = { timeoutMs: SESSION_DEADLINE };

/** @param {import("../subject.mjs").Target} target */
export async function connect({ port }) {
  const baseUrl = `http://127.0.0.1:${port}`;
  const open = (sessionManager) =>
    createClient(EchoService, createGrpcTransport({ baseUrl, sessionManager, interceptors: [countingInterceptor] }));
  const sessions = new Http2SessionManager(baseUrl);
  const client = open(sessions);
  return {
    async unary() {
      const response = await client.unary({ data: PAYLOAD }, CALL);
      checkEcho(response.data);
    },
    openStream: () => new IterableStream((requests) => client.chat(requests, CALL)),
    openLongStream: () => new IterableStream((requests) => client.chat(requests, SESSION)),
    // A transport has no close. Without a session manager of its own each would leave a socket open for 15 minutes.
    async exchangeOnNewClient() {
      const own = new Http2SessionManager(baseUrl);
      try {
        const ownClient = open(own);
        const stream = new IterableStream((requests) => ownClient.chat(requests, CALL));
        await stream.exchange();
        await stream.end();
      } finally {
        own.abort();
      }
    },
    async close() {
      sessions.abort();
    },
  };
}
