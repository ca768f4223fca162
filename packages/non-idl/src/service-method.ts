import type { CallOptions, HandlerContext, MethodDescription, MethodInfo } from "@dubhe/rpc";
import { thrownExceptions } from "./java-exception.js";
import { JsonRequest, JsonResponse } from "./json-codec.js";
import type { MethodSpec } from "./method-spec.js";
import { classNameOf } from "./natural-type.js";
import { type Place, placeOf } from "./place.js";
import { WrappedRequest, WrappedResponse } from "./wrapper-codec.js";

export type Codec = "hessian2" | "json";

/** One method of a service: what a call of it needs, and what its arguments are. */
export interface ServiceMethod {
  readonly info: MethodInfo;
  readonly places: readonly Place[];
  /** As `Class.getName()` has them. */
  readonly argTypes: readonly string[];
  readonly result: Place | undefined;
}

/** A method with the function that implements it. */
export interface BoundMethod extends ServiceMethod {
  call(args: readonly unknown[], context: HandlerContext): unknown;
}

const streamObserver = "org.apache.dubbo.common.stream.StreamObserver";

export function serviceMethod(service: string, localName: string, spec: MethodSpec, codec: Codec): ServiceMethod {
  const { kind, input, output, init } = spec;
  const { name = localName, argTypes: given, returnType } = init;
  if (!/^[A-Za-z_$][\w$]*$/.test(name))
    throw new TypeError(`${service}: ${JSON.stringify(name)} is no name of a method`);
  if (given !== undefined && given.length !== input.length) {
    throw new TypeError(`${service}.${localName}: ${input.length} schemas, but ${given.length} argTypes`);
  }
  const places = input.map((schema, i) => placeOf(schema, given?.[i]));
  const argTypes = places.map(({ type }, i) =>
    given === undefined ? type.className : classNameOf(given[i] as string),
  );
  const result = output === undefined ? undefined : placeOf(output, returnType);
  const resultType = returnType === undefined ? (result?.type.className ?? "void") : classNameOf(returnType);
  const single = kind === "client_streaming" || kind === "bidi_streaming";
  const streams = kind === "server_streaming" || kind === "bidi_streaming";
  const title = `${shortName(service)}.${name}`;
  const description: MethodDescription = {
    json: { request: new JsonRequest(title, places, single), response: new JsonResponse(title, result) },
    serialization: codec === "json" ? "json" : "proto",
    clientMethod: single ? streamFunction : (call) => positional(call, places.length),
    thrown: streams ? undefined : thrownExceptions,
  };
  const wireTypes = kind === "server_streaming" ? [...argTypes, streamObserver] : argTypes;
  const info: MethodInfo = Object.freeze({
    service,
    name,
    localName,
    kind,
    path: `/${service}/${name}`,
    requestStream: single,
    responseStream: streams,
    request: new WrappedRequest(title, places, wireTypes, single),
    response: new WrappedResponse(title, result, resultType),
    desc: undefined,
    description,
  });
  return { info, places, argTypes, result };
}

type Call = (request: unknown, options?: CallOptions) => unknown;

/** The arguments, then the options. What is too much goes to the codec, which refuses it. */
function positional(call: Call, count: number): (...args: unknown[]) => unknown {
  return (...args) => {
    const options = args[count];
    const fits = args.length <= count + 1 && (options === undefined || typeof options === "object");
    return fits ? call(args.slice(0, count), (options ?? undefined) as CallOptions | undefined) : call(args);
  };
}

function streamFunction(call: Call): Call {
  return call;
}

/** `com.acme.UserProvider` is long, and what its caller knows. */
function shortName(service: string): string {
  return service.slice(service.lastIndexOf(".") + 1);
}
