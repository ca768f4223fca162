import grpc from "@grpc/grpc-js";
import { ClientError, createChannel, createClientFactory, Status } from "nice-grpc";

import { IterableStream, receiveAll } from "../iterable-stream.mjs";
import { echoOf, SESSION_DEADLINE_MS, seen } from "../subject.mjs";
import { EchoDefinition } from "./echo-definition.mjs";

async function* countingMiddleware(call, options) {
  seen.started++;
  const response = yield* call.next(call.request, options);
  seen.succeeded++;
  return response;
}

/** nice-grpc has no deadline of its own: this does what its deadline middleware does. */
async function* deadlineMiddleware(call, { deadlineMs, ...options }) {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), deadlineMs);
  try {
    return yield* call.next(call.request, { ...options, signal: controller.signal });
  } catch (error) {
    throw controller.signal.aborted
      ? new ClientError(call.method.path, Status.DEADLINE_EXCEEDED, "Deadline exceeded")
      : error;
  } finally {
    clearTimeout(timer);
  }
}

const SESSION = { deadlineMs: SESSION_DEADLINE_MS };

/** @param {import("../subject.mjs").Target} target */
export async function connect({ port, tls, payload, deadlineMs }) {
  const echo = echoOf(payload);
  const call = { deadlineMs };
  const factory = createClientFactory().use(deadlineMiddleware).use(countingMiddleware);
  const address = tls === undefined ? `http://127.0.0.1:${port}` : `https://localhost:${port}`;
  const credentials =
    tls === undefined ? grpc.credentials.createInsecure() : grpc.credentials.createSsl(Buffer.from(tls.cert));
  const client = factory.create(
    EchoDefinition,
    createChannel(address, credentials, { "grpc.use_local_subchannel_pool": 1 }),
  );
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
    async exchangeOnNewClient() {
      const channel = createChannel(address, credentials);
      try {
        const own = factory.create(EchoDefinition, channel);
        const stream = new IterableStream(echo, (requests) => own.chat(requests, call));
        await stream.exchange();
        await stream.end();
      } finally {
        channel.close();
      }
    },
  };
}
