import { Code, type DescribedRoute, type DescribedService, type HandlerContext, RpcError } from "@dubhe/rpc";
import { genericRoutes } from "./generic-routes.js";
import type { MethodSpecs, ServiceClient, ServiceHandlers } from "./method-spec.js";
import { overloadedRoute } from "./overloads.js";
import { type BoundMethod, type Codec, type ServiceMethod, serviceMethod } from "./service-method.js";

export interface ServiceInit {
  /**
   * What clients speak: "hessian2" (default) as dubbo-java and dubbo-go do, or "json". Servers understand both, whatever this
   * says.
   */
  readonly codec?: Codec;
}

/** A service without protobuf, for `app.client`, `createClient` and `server.add`. */
export type Service<M extends MethodSpecs> = DescribedService<ServiceClient<M>, ServiceHandlers<M>>;

/**
 * Describes a Java interface by its full name and its methods. Throws a TypeError for what cannot be one: overloaded
 * streams, two methods with one name and the same parameter types.
 */
export function defineService<M extends MethodSpecs>(
  interfaceName: string,
  specs: M,
  init: ServiceInit = {},
): Service<M> {
  const { codec = "hessian2" } = init;
  if (codec !== "hessian2" && codec !== "json")
    throw new TypeError(`codec is "hessian2" or "json", not ${JSON.stringify(codec)}`);
  if (!/^[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)*$/.test(interfaceName))
    throw new TypeError(`${JSON.stringify(interfaceName)} is no name of a Java interface`);
  const methods = Object.entries(specs).map(([name, spec]) => serviceMethod(interfaceName, name, spec, codec));
  for (const group of byName(methods).values()) checkOverloads(interfaceName, group);
  return {
    kind: "described",
    typeName: interfaceName,
    methods: methods.map(({ info }) => info),
    routes: (impl) => routesOf(interfaceName, methods, impl as Readonly<Record<string, unknown>>),
  };
}

function byName<T extends ServiceMethod>(methods: readonly T[]): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const method of methods) {
    const group = groups.get(method.info.name);
    if (group === undefined) groups.set(method.info.name, [method]);
    else group.push(method);
  }
  return groups;
}

function checkOverloads(service: string, group: readonly ServiceMethod[]): void {
  if (group.length === 1) return;
  const name = `${service}.${group[0]?.info.name ?? ""}`;
  if (group.some(({ info }) => info.kind !== "unary"))
    throw new TypeError(`${name} is overloaded, which only methods without streams can be`);
  const signatures = new Set(group.map(({ argTypes }) => argTypes.join()));
  if (signatures.size < group.length)
    throw new TypeError(`${name} is overloaded with the same parameter types twice: tell them apart by argTypes`);
}

function routesOf(
  service: string,
  methods: readonly ServiceMethod[],
  impl: Readonly<Record<string, unknown>>,
): DescribedRoute[] {
  const groups: BoundMethod[][] = [];
  for (const group of byName(methods).values()) {
    const handled = group.filter(({ info }) => impl[info.localName] !== undefined);
    // An overload without a handler stays, lest another one answers for it.
    if (handled.length > 0) groups.push(group.map((method) => bind(service, method, impl)));
  }
  const routes = groups.map((group) =>
    group.length === 1 ? plainRoute(group[0] as BoundMethod) : overloadedRoute(group),
  );
  return [...routes, ...genericRoutes(service, groups.flat())];
}

function bind(service: string, method: ServiceMethod, impl: Readonly<Record<string, unknown>>): BoundMethod {
  const { localName, name } = method.info;
  const handler = impl[localName];
  if (handler === undefined) {
    const text = `${service} does not implement ${name}(${method.argTypes.join(", ")})`;
    return { ...method, call: () => Promise.reject(new RpcError(text, Code.Unimplemented)) };
  }
  if (typeof handler !== "function") throw new TypeError(`${service}: the handler of ${localName} is not a function`);
  return { ...method, call: (args, context) => handler.call(impl, ...args, context) };
}

function plainRoute(bound: BoundMethod): DescribedRoute {
  const { info, call } = bound;
  const handler = info.requestStream
    ? (request: unknown, context: HandlerContext): unknown => call([request], context)
    : (request: unknown, context: HandlerContext): unknown => call(request as readonly unknown[], context);
  return { method: info, handler };
}
