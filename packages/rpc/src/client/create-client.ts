import type { CallOptions } from "../call-options.js";
import type { Channel } from "../channel.js";
import type { RpcEnvironment } from "../environment.js";
import { type MethodInfo, methodsOf } from "../method.js";
import type { AnyService, Client } from "../service-types.js";
import { ClientCore } from "./client-core.js";
import type { ClientOptions } from "./client-options.js";
import { interceptStream, interceptUnary } from "./intercepted-call.js";
import { startStream, startUnary } from "./start-call.js";

/**
 * A client of a service through a channel. It does no I/O, owns nothing and costs two small objects, so one per request is
 * fine; there is nothing to close. Its methods may be taken off it (`const { greet } = client`).
 */
export function createServiceClient<S extends AnyService>(
  env: RpcEnvironment,
  service: S,
  channel: Channel,
  options: ClientOptions = {},
): Client<S> {
  const ServiceClient = clientClass(service);
  return new ServiceClient(new ClientCore(env, channel, options)) as Client<S>;
}

type ServiceClientClass = new (core: ClientCore) => object;

/** One class a service: a client then needs no function per method, only for the methods that are called. */
const classes = new WeakMap<AnyService, ServiceClientClass>();

function clientClass(service: AnyService): ServiceClientClass {
  let made = classes.get(service);
  if (made === undefined) {
    made = makeClass(service);
    classes.set(service, made);
  }
  return made;
}

function makeClass(service: AnyService): ServiceClientClass {
  class ServiceClient {
    readonly #core: ClientCore;

    constructor(core: ClientCore) {
      this.#core = core;
    }

    static define(method: MethodInfo): void {
      const { description } = method;
      Object.defineProperty(ServiceClient.prototype, method.localName, {
        configurable: true,
        enumerable: true,
        get(this: ServiceClient) {
          const core = this.#core;
          const call = method.responseStream ? streamMethod(core, method) : unaryMethod(core, method);
          return description === undefined ? call : description.clientMethod(call);
        },
        // Tests put their own functions in place.
        set(this: ServiceClient, value: unknown) {
          Object.defineProperty(this, method.localName, {
            value,
            configurable: true,
            enumerable: true,
            writable: true,
          });
        },
      });
    }
  }
  for (const method of methodsOf(service)) ServiceClient.define(method);
  return ServiceClient;
}

type Call = (input: unknown, options?: CallOptions) => unknown;

function unaryMethod(core: ClientCore, method: MethodInfo): Call {
  if (core.intercepted) return (input: unknown, options?: CallOptions) => interceptUnary(core, method, input, options);
  return (input: unknown, options?: CallOptions) => startUnary(core, method, input, options);
}

function streamMethod(core: ClientCore, method: MethodInfo): Call {
  if (core.intercepted) return (input: unknown, options?: CallOptions) => interceptStream(core, method, input, options);
  return (input: unknown, options?: CallOptions) => startStream(core, method, input, options).iterator();
}
