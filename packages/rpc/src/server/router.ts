import type { DescService, Registry } from "@bufbuild/protobuf";
import type { DescribedRoute } from "../described-service.js";
import { composeInterceptors, type Interceptor, type Next } from "../interceptor.js";
import { type MethodInfo, methodsOf } from "../method.js";
import { type MethodCodecs, methodCodecs, type Serialization, typesOf } from "../serialization.js";
import type { AnyService, ServiceImpl } from "../service-types.js";
import type { MessageSource } from "../stream/outbound-pump.js";
import type { HandlerContext } from "./handler-context.js";

type Handler = (request: object, context: HandlerContext) => object | Promise<object> | MessageSource<object>;

/** One method of one registered service. */
export interface Route {
  readonly method: MethodInfo;
  readonly group: string;
  readonly version: string;
  readonly handler: Handler;
  readonly impl: object;
  /** The interceptors around the handler; undefined when there are none. */
  readonly chain: Next | undefined;
  readonly codecs: Readonly<Record<Serialization, MethodCodecs>>;
  /** What `Any` may hold where messages are JSON. */
  types(): Registry;
}

export interface ServiceKey {
  /** Default "". */
  readonly group?: string;
  /** Default "". */
  readonly version?: string;
}

interface Registration {
  readonly service: AnyService;
  readonly group: string;
  readonly version: string;
  readonly routes: ReadonlyMap<string, Route>;
}

/** What Java's consumers take to be the same as no version. */
const defaultVersion = "1.0.0";

/**
 * Which handler serves a request: by interface, group and version.
 *
 * The order is Java's lenient one (TriplePathResolver.java:116, discovery-wire §8.2): exactly this group and version; this
 * group and version 1.0.0; any, where a service without group and version comes before the one that was added first. The
 * last step looks at what is registered now, so removing one version never hides the others (D-76).
 */
export class Router {
  /** Grows with every change: what was resolved before may be wrong. */
  generation = 0;
  readonly #services = new Map<string, Registration[]>();
  readonly #types: Registry | undefined;

  constructor(types?: Registry) {
    this.#types = types;
  }

  /** Throws when this service, group and version are there already. */
  add<S extends AnyService>(
    service: S,
    impl: ServiceImpl<S>,
    key: ServiceKey = {},
    interceptors: readonly Interceptor[] = [],
  ): void {
    const { group = "", version = "" } = key;
    const name = service.typeName;
    const registrations = this.#services.get(name) ?? [];
    if (find(registrations, group, version) !== undefined)
      throw new Error(`${describe(name, group, version)} is already registered`);
    const routes = new Map<string, Route>();
    for (const { method, handler } of handlersOf(service, impl)) {
      const chain =
        interceptors.length === 0 ? undefined : composeInterceptors(interceptors, innermost(handler, impl, method));
      const codecs = { proto: methodCodecs(method, "proto"), json: methodCodecs(method, "json", this.#types) };
      const types = (): Registry => typesOf(method, this.#types);
      const route: Route = { method, group, version, handler, impl, chain, codecs, types };
      routes.set(method.name, route);
    }
    // Java's stubs write sayHello where the .proto file says SayHello; dubbo-go serves both (server.go), and so do we.
    for (const [methodName, route] of [...routes]) {
      const other = swapFirstCase(methodName);
      if (!routes.has(other)) routes.set(other, route);
    }
    registrations.push({ service, group, version, routes });
    this.#services.set(name, registrations);
    this.generation++;
  }

  /** False when it was not there. */
  remove(service: AnyService, key: ServiceKey = {}): boolean {
    const { group = "", version = "" } = key;
    const registrations = this.#services.get(service.typeName);
    const found = registrations && find(registrations, group, version);
    if (registrations === undefined || found === undefined) return false;
    registrations.splice(registrations.indexOf(found), 1);
    if (registrations.length === 0) this.#services.delete(service.typeName);
    this.generation++;
    return true;
  }

  /** The route, or why there is none: the message of the UNIMPLEMENTED status. */
  resolve(path: string, group: string, version: string): Route | string {
    const slash = path.lastIndexOf("/");
    const name = path.slice(1, slash);
    const registrations = slash > 0 ? this.#services.get(name) : undefined;
    if (registrations === undefined) return `unknown service ${JSON.stringify(slash > 0 ? name : path)}`;
    const registration =
      find(registrations, group, version) ??
      find(registrations, group, defaultVersion) ??
      find(registrations, "", "") ??
      registrations[0];
    return (
      registration?.routes.get(path.slice(slash + 1)) ??
      `unknown method ${JSON.stringify(path.slice(slash + 1))} of service ${describe(name, group, version)}`
    );
  }

  /** Those of protobuf, each name once: the one that was added first. */
  descriptors(): DescService[] {
    return [...this.#services.values()].flatMap((registrations) =>
      registrations
        .slice(0, 1)
        .map((one) => one.service)
        .filter((service) => service.kind === "service"),
    );
  }

  /** All services, for inspection. */
  list(): { readonly service: string; readonly group: string; readonly version: string }[] {
    return [...this.#services].flatMap(([service, registrations]) =>
      registrations.map(({ group, version }) => ({ service, group, version })),
    );
  }
}

function handlersOf(
  service: AnyService,
  impl: object,
): readonly { readonly method: MethodInfo; readonly handler: Handler }[] {
  // What a described service says of its handlers is what a Handler is.
  if (service.kind === "described") return service.routes(impl) as readonly (DescribedRoute & { handler: Handler })[];
  return methodsOf(service).flatMap((method) => {
    const handler = (impl as Readonly<Record<string, unknown>>)[method.localName];
    if (handler === undefined) return [];
    if (typeof handler !== "function")
      throw new TypeError(`${service.typeName}: the handler of ${method.localName} is not a function`);
    return [{ method, handler: handler as Handler }];
  });
}

function find(registrations: readonly Registration[], group: string, version: string): Registration | undefined {
  return registrations.find((one) => one.group === group && one.version === version);
}

function describe(name: string, group: string, version: string): string {
  return `${group === "" ? "" : `${group}/`}${name}${version === "" ? "" : `:${version}`}`;
}

function swapFirstCase(name: string): string {
  const first = name.charAt(0);
  const upper = first.toUpperCase();
  return (first === upper ? first.toLowerCase() : upper) + name.slice(1);
}

function innermost(handler: Handler, impl: object, method: MethodInfo): Next {
  return async (call) => {
    const context = call.context as HandlerContext;
    const result = handler.call(impl, call.request, context);
    const response = method.responseStream ? (result as object) : await result;
    return { headers: context.responseHeaders, trailers: context.responseTrailers, response };
  };
}
