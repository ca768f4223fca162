import { type App, type Client, createApp, createClient, type Interceptor } from "dubhe";
import { ExchangeService } from "../gen/exchange_pb.js";
import type { Mode } from "./options.js";

export type ExchangeClient = Client<typeof ExchangeService>;

/** What a request uses, and how it is given back when the request is over. */
export interface RequestClient {
  readonly client: ExchangeClient;
  /** The only one it can call; "" when discovery decides. */
  readonly address: string;
  done(): PromiseLike<void> | undefined;
}

export interface Surroundings {
  readonly app: App;
  readonly registry: string;
  readonly groups: readonly string[];
  addresses(): readonly string[];
  /** Called with each App that a request made, before it is closed. */
  onAppDone(app: App): void;
}

/** How each mode makes the client of one request; `n` counts requests. */
export const clientMakers: Readonly<Record<Mode, (s: Surroundings, n: number) => RequestClient>> = {
  client: ({ app }) => lent(app.client(ExchangeService)),
  options: ({ app }, n) => {
    // A new interceptor each time: nothing may be remembered by functions.
    const mark: Interceptor = (next) => (call) => {
      call.headers.set("x-request-number", String(n));
      return next(call);
    };
    return lent(app.client(ExchangeService, { interceptors: [mark], timeoutMs: 10_000 + (n % 100) }));
  },
  group: ({ app, groups }, n) => lent(app.client(ExchangeService, { group: groups[n % groups.length] as string })),
  direct: ({ addresses }, n) => {
    const list = addresses();
    const address = list[n % list.length] as string;
    const client = createClient(ExchangeService, `tri://${address}`);
    return { client, address, done: () => client[Symbol.asyncDispose]() };
  },
  app: ({ registry, onAppDone }, _n) => {
    const app = createApp({ name: "incident-gateway", registry });
    const done = async () => {
      onAppDone(app);
      await app.close();
    };
    // A new App may come in the middle of a takeover of the embedded registry: it waits for its deadline.
    return { client: app.client(ExchangeService, { waitForReady: true }), address: "", done };
  },
};

function lent(client: ExchangeClient): RequestClient {
  return { client, address: "", done: () => undefined };
}
