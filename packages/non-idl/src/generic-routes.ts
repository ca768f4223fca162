import {
  Code,
  type DescribedRoute,
  type HandlerContext,
  type MessageCodec,
  type MethodInfo,
  RpcError,
} from "@dubhe/rpc";
import { startConversion } from "./conversion-budget.js";
import { type GenericCall, generic, genericRequest, genericResponse, noJson } from "./generic-codec.js";
import { JavaException, thrownExceptions } from "./java-exception.js";
import { NaturalType } from "./natural-type.js";
import { chooseByTypes } from "./overloads.js";
import { type Place, placeOf } from "./place.js";
import type { BoundMethod } from "./service-method.js";
import { checkResult, parsePlaces, WrappedRequest, WrappedResponse } from "./wrapper-codec.js";

/** What Dubbo's consumers call on every service: `$invoke` and `$invokeAsync`, and `$echo`. */
export function genericRoutes(service: string, methods: readonly BoundMethod[]): DescribedRoute[] {
  const handler = (request: unknown, context: HandlerContext): Promise<unknown> =>
    invoke(methods, request as GenericCall, context);
  const anything: Place = placeOf(new NaturalType());
  const echo = methodInfo(
    service,
    "$echo",
    new WrappedRequest("$echo", [anything], ["java.lang.Object"], false),
    new WrappedResponse("$echo", anything, "java.lang.Object"),
  );
  return [
    { method: genericMethod(service, "$invoke"), handler },
    { method: genericMethod(service, "$invokeAsync"), handler },
    { method: echo, handler: (request) => (request as readonly unknown[])[0] },
  ];
}

export function genericMethod(service: string, name: string): MethodInfo {
  return methodInfo(service, name, genericRequest, genericResponse);
}

function methodInfo(service: string, name: string, request: MessageCodec, response: MessageCodec): MethodInfo {
  return Object.freeze({
    service,
    name,
    localName: name,
    kind: "unary",
    path: `/${service}/${name}`,
    requestStream: false,
    responseStream: false,
    request,
    response,
    desc: undefined,
    description: {
      json: noJson,
      serialization: "proto",
      clientMethod: (call) => call,
      thrown: thrownExceptions,
    },
  } satisfies MethodInfo);
}

/** How the arguments are made, by the attachment `generic`: maps and lists, or text of JSON. */
type Form = "maps" | "json";

async function invoke(methods: readonly BoundMethod[], call: GenericCall, context: HandlerContext): Promise<unknown> {
  const form = formOf(context.requestHeaders.get("generic"));
  const { name, places, result, call: handler } = choose(methods, call);
  startConversion();
  const values = call.args.map((arg, i) => argument(places[i], arg, form));
  const args = parsePlaces(places, values, name);
  let value: unknown;
  try {
    value = await handler(args, context);
  } catch (error) {
    throw error instanceof JavaException ? generic(error) : error;
  }
  if (result === undefined) return null;
  checkResult(result, value, name);
  if (form === "json") return JSON.stringify(result.type.toJson(value) ?? null);
  return result.type.toGeneric(value);
}

function choose(
  methods: readonly BoundMethod[],
  { method: name, types, args }: GenericCall,
): BoundMethod & { name: string } {
  const group = methods.filter(({ info }) => info.name === name && info.kind === "unary");
  if (group.length === 0)
    throw new RpcError(`unknown method ${JSON.stringify(name.slice(0, 100))}`, Code.Unimplemented);
  const chosen = chooseByTypes(group, name, types ?? [], args.length);
  if (chosen.places.length !== args.length)
    throw new RpcError(`${name} takes ${chosen.places.length} arguments, got ${args.length}`, Code.InvalidArgument);
  return { ...chosen, name };
}

function formOf(header: string | null): Form {
  if (header === null || header === "true") return "maps";
  if (header === "gson") return "json";
  throw new RpcError(
    `generic calls of form ${JSON.stringify(header)} are not supported, but "true" and "gson"`,
    Code.Unimplemented,
  );
}

function argument(place: Place | undefined, arg: unknown, form: Form): unknown {
  if (place === undefined) return arg;
  if (form === "json" && typeof arg !== "string") return null;
  try {
    return form === "json" ? place.type.fromJson(JSON.parse(arg as string)) : place.type.fromJava(arg);
  } catch (error) {
    if (error instanceof RpcError) throw error;
    throw new RpcError(`an argument cannot be read: ${(error as Error).message}`, Code.InvalidArgument, {
      cause: error,
    });
  }
}
