import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { type MessageCodec, messageCodec } from "./codec/message-codec.js";
import type { DescribedService, MethodDescription } from "./described-service.js";

export type MethodKind = "unary" | "server_streaming" | "client_streaming" | "bidi_streaming";

/** One method, with all that a call needs and that does not change between calls. */
export interface MethodInfo {
  /** `package.Service`. */
  readonly service: string;
  /** As in the .proto file: `SayHello`. */
  readonly name: string;
  /** As in JavaScript: `sayHello`. */
  readonly localName: string;
  readonly kind: MethodKind;
  /** `/package.Service/SayHello` */
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly request: MessageCodec;
  readonly response: MessageCodec;
  /** Of protobuf. */
  readonly desc: DescMethod | undefined;
  /** Of a method that is not protobuf's. */
  readonly description: MethodDescription | undefined;
}

const services = new WeakMap<DescService, readonly MethodInfo[]>();

/** The methods of a service, made once. */
export function methodsOf(service: DescService | DescribedService): readonly MethodInfo[] {
  if (service.kind === "described") return service.methods;
  let methods = services.get(service);
  if (methods === undefined) {
    methods = service.methods.map((desc) => describe(service, desc));
    services.set(service, methods);
  }
  return methods;
}

/** Declared so in the .proto file (`option idempotency_level = NO_SIDE_EFFECTS`): such a method may be called by HTTP GET. */
export function hasNoSideEffects(method: MethodInfo): boolean {
  return method.kind === "unary" && method.desc?.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
}

function describe(service: DescService, desc: DescMethod): MethodInfo {
  const kind = desc.methodKind;
  return Object.freeze({
    service: service.typeName,
    name: desc.name,
    localName: desc.localName,
    kind,
    path: `/${service.typeName}/${desc.name}`,
    requestStream: kind === "client_streaming" || kind === "bidi_streaming",
    responseStream: kind === "server_streaming" || kind === "bidi_streaming",
    request: messageCodec(desc.input),
    response: messageCodec(desc.output),
    desc,
    description: undefined,
  });
}
