import { createApp, createClient } from "dubhe";
import { EchoService } from "../../gen/dubhe/bench/v1/echo_pb.js";
import { IterableStream, receiveAll } from "../iterable-stream.mjs";
import { echoOf, SESSION_DEADLINE_MS, seen } from "../subject.mjs";

const countingInterceptor = (next) => async (call) => {
  seen.started++;
  const reply = await next(call);
  seen.succeeded++;
  return reply;
};

const SESSION = { timeoutMs: SESSION_DEADLINE_MS };

/** @param {import("../subject.mjs").Target} target */
export async function connect({ port, registry, tls, payload, deadlineMs }) {
  const echo = echoOf(payload);
  const call = { timeoutMs: deadlineMs };
  const app = registry === undefined ? undefined : createApp({ name: "bench-client", registry });
  const client = app?.client(EchoService, options()) ?? direct(port, tls);
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
    // The options are new each time, as in a gateway that makes its clients with interceptors of the request.
    async exchangeOnNewClient() {
      const ownClient = app.client(EchoService, options());
      const stream = new IterableStream(echo, (requests) => ownClient.chat(requests, call));
      await stream.exchange();
      await stream.end();
    },
  };
}

function direct(port, tls) {
  if (tls === undefined) return createClient(EchoService, `tri://127.0.0.1:${port}`, options());
  return createClient(EchoService, `https://localhost:${port}`, { ...options(), tls: { ca: tls.cert } });
}

function options() {
  return { interceptors: [countingInterceptor] };
}
