import grpc from "@grpc/grpc-js";
import { echoOf, SESSION_DEADLINE_MS, seen } from "../subject.mjs";
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
  #data;
  #resolve;
  #reject;
  #status;

  constructor(client, echo, deadlineMs) {
    this.#data = echo.data;
    this.#call = client.chat({ deadline: Date.now() + deadlineMs });
    this.#call.on("data", (response) => {
      try {
        echo.check(response.data);
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
    this.#call.write({ data: this.#data });
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
export async function connect({ port, tls, payload, deadlineMs }) {
  const echo = echoOf(payload);
  const address = tls === undefined ? `127.0.0.1:${port}` : `localhost:${port}`;
  const credentials =
    tls === undefined ? grpc.credentials.createInsecure() : grpc.credentials.createSsl(Buffer.from(tls.cert));
  const open = (options) => new EchoService(address, credentials, { interceptors: [countingInterceptor], ...options });
  const client = open({ "grpc.use_local_subchannel_pool": 1 });
  const unary = (method, timeoutMs) =>
    new Promise((resolve, reject) => {
      client[method]({ data: echo.data }, { deadline: Date.now() + timeoutMs }, (error, response) => {
        if (error) return reject(error);
        try {
          echo.check(response.data);
          resolve();
        } catch (wrong) {
          reject(wrong);
        }
      });
    });
  return {
    unary: () => unary("unary", deadlineMs),
    park: () => unary("park", SESSION_DEADLINE_MS),
    openStream: () => new Stream(client, echo, deadlineMs),
    openLongStream: () => new Stream(client, echo, SESSION_DEADLINE_MS),
    fire: (count, onMessage) =>
      new Promise((resolve, reject) => {
        let received = 0;
        const call = client.fire({ data: echo.data, count }, { deadline: Date.now() + SESSION_DEADLINE_MS });
        call.on("data", ({ data }) => {
          try {
            echo.check(data);
          } catch (error) {
            return reject(error);
          }
          received++;
          onMessage();
        });
        call.on("error", reject);
        call.on("end", () => (received === count ? resolve() : reject(new Error(`${received} messages of ${count}`))));
      }),
    // With its defaults grpc-js shares the connections of all clients of an address: its fastest way.
    async exchangeOnNewClient() {
      const own = open({});
      try {
        const stream = new Stream(own, echo, deadlineMs);
        await stream.exchange();
        await stream.end();
      } finally {
        own.close();
      }
    },
  };
}
