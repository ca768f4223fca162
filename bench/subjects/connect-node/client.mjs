import { createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { EchoService } from "../../gen/dubhe/bench/v1/echo_pb.js";
import { IterableStream, receiveAll } from "../iterable-stream.mjs";
import { echoOf, SESSION_DEADLINE_MS, seen } from "../subject.mjs";

const countingInterceptor = (next) => async (request) => {
  seen.started++;
  const response = await next(request);
  seen.succeeded++;
  return response;
};

const SESSION = { timeoutMs: SESSION_DEADLINE_MS };

/** @param {import("../subject.mjs").Target} target */
export async function connect({ port, tls, payload, deadlineMs }) {
  const echo = echoOf(payload);
  const call = { timeoutMs: deadlineMs };
  const baseUrl = tls === undefined ? `http://127.0.0.1:${port}` : `https://localhost:${port}`;
  const newManager = () => new Http2SessionManager(baseUrl, undefined, tls === undefined ? {} : { ca: tls.cert });
  const open = (sessionManager) =>
    createClient(EchoService, createGrpcTransport({ baseUrl, sessionManager, interceptors: [countingInterceptor] }));
  const client = open(newManager());
  return {
    async unary() {
      const response = await client.unary({ data: echo.data }, call);
      echo.check(response.data);
    },
    async park() {
      await client.park({ data: echo.data }, SESSION);
    },
    openStream: () => new IterableStream(echo, (requests) => client.chat(requests, call)),
    openLongStream: () => new IterableStream(echo, (requests) => client.chat(requests, SESSION)),
    fire: (count, onMessage) => receiveAll(client.fire({ data: echo.data, count }, SESSION), count, echo, onMessage),
    // A transport has no close. Without a session manager of its own each would leave a socket open for 15 minutes.
    async exchangeOnNewClient() {
      const own = newManager();
      try {
        const ownClient = open(own);
        const stream = new IterableStream(echo, (requests) => ownClient.chat(requests, call));
        await stream.exchange();
        await stream.end();
      } finally {
        own.abort();
      }
    },
  };
}
