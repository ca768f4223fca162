import grpc from "@grpc/grpc-js";
import { CALL_DEADLINE, checkEcho, PAYLOAD, SESSION_DEADLINE, seen } from "../subject.mjs";
import { EchoService } from "./echo-definition.mjs";

function countingInterceptor(options, nextCall) {
  return new grpc.InterceptingCall(nextCall(options), {
    start(metadata, _listener, next) {
      seen.started++;
      next(metadata, {
        onReceiveStatus(status, nextStatus) {
          if (status.code === grpc.status.OK) seen.succeeded++;
          nextStatus(status);
        },
      });
    },
  });
}

class Stream {
  #call;
  #resolve;
  #reject;
  #status;

  constructor(client, deadline) {
    this.#call = client.chat({ deadline: Date.now() + deadline });
    this.#call.on("data", (response) => {
      try {
        checkEcho(response.data);
        this.#resolve();
      } catch (error) {
        this.#reject(error);
      }
    });
    this.#call.on("error", () => {}); // the status says the same
    this.#call.on("status", (status) => {
      this.#status = status;
      if (status.code === grpc.status.OK) this.#resolve?.();
      else this.#reject?.(new Error(status.details));
    });
  }

  exchange() {
    const answer = this.#next();
    this.#call.write({ data: PAYLOAD });
    return answer;
  }

  end() {
    const answer = this.#next();
    this.#call.end();
    return answer;
  }

  #next() {
    if (this.#status !== undefined) return Promise.reject(new Error(`ended: ${this.#status.details}`));
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }
}

/** @param {import("../subject.mjs").Target} target */
export async function connect({ port }) {
  const open = () =>
    new EchoService(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), { interceptors: [countingInterceptor] });
  const client = open();
  return {
    unary: () =>
      new Promise((resolve, reject) => {
        client.unary({ data: PAYLOAD }, { deadline: Date.now() + CALL_DEADLINE }, (error, response) => {
          if (error) return reject(error);
          try {
            checkEcho(response.data);
            resolve();
          } catch (wrong) {
            reject(wrong);
          }
        });
      }),
    openStream: () => new Stream(client, CALL_DEADLINE),
    openLongStream: () => new Stream(client, SESSION_DEADLINE),
    // With its defaults grpc-js shares the connections of all clients of an address: its fastest way.
    async exchangeOnNewClient() {
      const own = open();
      try {
        const stream = new Stream(own, CALL_DEADLINE);
        await stream.exchange();
        await stream.end();
      } finally {
        own.close();
      }
    },
    async close() {
      client.close();
    },
  };
}
