import { createApp, createClient } from "dubhe";
import { EchoService } from "../../gen/dubhe/bench/v1/echo_pb.js";
import { IterableStream } from "../iterable-stream.mjs";
import { CALL_DEADLINE, checkEcho, PAYLOAD, SESSION_DEADLINE, seen } from "../subject.mjs";

const countingInterceptor = (next) => async (call) => {
  seen.started++;
  const reply = await next(call);
  seen.succeeded++;
  return reply;
};

const OPTIONS = { interceptors: [countingInterceptor] };
const CALL = { timeoutMs: CALL_DEADLINE };
const SESSION = { timeoutMs: SESSION_DEADLINE };

/** @param {import("../subject.mjs").Target} target */
export async function connect({ port, registry }) {
  const app = registry === undefined ? undefined : createApp({ name: "bench-client", registry });
  const client =
    app === undefined
      ? createClient(EchoService, `tri://127.0.0.1:${port}`, OPTIONS)
      : app.client(EchoService, OPTIONS);
  return {
    async unary() {
      const response = await client.unary({ data: PAYLOAD }, CALL);
      checkEcho(response.data);
    },
    openStream: () => new IterableStream((requests) => client.chat(requests, CALL)),
    openLongStream: () => new IterableStream((requests) => client.chat(requests, SESSION)),
    // The options are new each time, as in a gateway that makes its clients with interceptors of the request.
    async exchangeOnNewClient() {
      const ownClient = app.client(EchoService, { interceptors: [countingInterceptor] });
      const stream = new IterableStream((requests) => ownClient.chat(requests, CALL));
      await stream.exchange();
      await stream.end();
    },
    async close() {
      await app?.close();
    },
  };
}
