import { type CallOptions, type ClientOptions, type DescribedService, Metadata, type MethodInfo } from "@dubhe/rpc";
import type { GenericCall } from "./generic-codec.js";
import { genericMethod } from "./generic-routes.js";

/** A client that knows nothing of an interface but its name. */
export interface GenericClient {
  /**
   * Calls a method by name. `types`: its parameter types as `Class.getName()` has them; null when it is not overloaded.
   * `args`: plain values; an object is a map, which Java turns into what the method takes (say which class by a field
   * `class`), an enum constant is its name. The result is plain too: an object has its class in the field `class`.
   */
  $invoke(
    method: string,
    types: readonly string[] | null,
    args: readonly unknown[],
    options?: CallOptions,
  ): Promise<unknown>;
}

/** Generic calls of one interface: `app.client(genericService("com.acme.UserProvider")).$invoke(…)`. Keep it: it costs more than a client. */
export function genericService(interfaceName: string): DescribedService<GenericClient, never> {
  const plain = genericMethod(interfaceName, "$invoke");
  const method: MethodInfo = Object.freeze({
    ...plain,
    description: {
      ...(plain.description as NonNullable<MethodInfo["description"]>),
      clientMethod:
        (call: (request: unknown, options?: CallOptions) => unknown) =>
        (name: string, types: readonly string[] | null, args: readonly unknown[], options?: CallOptions): unknown =>
          call({ method: name, types, args } satisfies GenericCall, asGeneric(options)),
    },
  });
  return {
    kind: "described",
    typeName: interfaceName,
    methods: [method],
    routes: () => {
      throw new TypeError("a generic service is for clients: describe what you serve by defineService");
    },
  };
}

/** What `genericClient` takes: an App, or anything that makes clients as one does. */
export interface ClientMaker {
  client(service: DescribedService<GenericClient, never>, options?: ClientOptions): GenericClient;
}

/** `app.client(genericService(interfaceName), options)` */
export function genericClient(app: ClientMaker, interfaceName: string, options?: ClientOptions): GenericClient {
  return app.client(genericService(interfaceName), options);
}

/** dubbo-java turns maps into objects only for calls that are marked so. */
function asGeneric(options: CallOptions | undefined): CallOptions {
  const headers = new Metadata(options?.headers);
  headers.set("generic", "true");
  return { ...options, headers };
}
