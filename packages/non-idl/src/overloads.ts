import { Code, type DescribedRoute, type MessageCodec, type MethodInfo, RpcError } from "@dubhe/rpc";
import type { Issue } from "./issues.js";
import type { BoundMethod } from "./service-method.js";
import { decodeWrapper, readArguments } from "./wrapper-codec.js";

/** Which of the methods the arguments are for. Interceptors see the arguments alone. */
const chosen = new WeakMap<object, BoundMethod>();

/** A result that does not tell by itself which method's it is. */
class Answer {
  readonly method: BoundMethod;
  readonly result: unknown;

  constructor(method: BoundMethod, result: unknown) {
    this.method = method;
    this.result = result;
  }
}

/** Methods that Java tells apart by their parameter types, at one path. */
export function overloadedRoute(group: readonly BoundMethod[]): DescribedRoute {
  const [{ info: first, result }] = group as [BoundMethod];
  const description = first.description as NonNullable<MethodInfo["description"]>;
  const method: MethodInfo = Object.freeze({
    ...first,
    localName: first.name,
    request: wrappedRequest(group),
    response: answerCodec(group, (info) => info.response),
    description: {
      ...description,
      json: { request: jsonRequest(group), response: answerCodec(group, (info) => info.description?.json.response) },
    },
  });
  const alike = group.every((other) => other.result?.type === result?.type);
  return {
    method,
    handler: async (request, context): Promise<unknown> => {
      const args = request as readonly unknown[];
      const one = chosen.get(args) ?? chooseByValues(group, first.name, args);
      const value = await one.call(args, context);
      return alike ? value : new Answer(one, value);
    },
  };
}

function wrappedRequest(group: readonly BoundMethod[]): MessageCodec {
  const { name } = (group[0] as BoundMethod).info;
  return {
    encode: notHere,
    decode: (bytes, owned, start, end): readonly unknown[] => {
      const wrapper = decodeWrapper(bytes, owned, start, end);
      const method = chooseByTypes(group, name, wrapper.argTypes, wrapper.args.length);
      return choose(method, readArguments(wrapper, method.places, name));
    },
  };
}

function choose(method: BoundMethod, args: readonly unknown[]): readonly unknown[] {
  chosen.set(args, method);
  return args;
}

/** Of arguments that an interceptor made: the first that they fit. */
function chooseByValues(group: readonly BoundMethod[], name: string, args: readonly unknown[]): BoundMethod {
  const fitting = group.find(({ places }) => {
    const issues: Issue[] = [];
    for (const [i, place] of places.entries()) place.parse(args[i], [], issues);
    return places.length === args.length && issues.length === 0;
  });
  if (fitting !== undefined) return fitting;
  throw new RpcError(`no ${name} takes these arguments`, Code.InvalidArgument);
}

/** Throws INVALID_ARGUMENT. Callers that name no types get the only one with so many parameters. */
export function chooseByTypes(
  group: readonly BoundMethod[],
  name: string,
  types: readonly string[],
  count: number,
): BoundMethod {
  const same = group.find(
    ({ argTypes }) => argTypes.length === types.length && argTypes.every((type, i) => type === types[i]),
  );
  if (same !== undefined) return same;
  const fitting = group.filter(({ places }) => places.length === count);
  if ((types.length === 0 || group.length === 1) && fitting.length === 1) return fitting[0] as BoundMethod;
  const known = group.map(({ argTypes }) => `(${argTypes.join(", ")})`).join(", ");
  throw new RpcError(`${name}(${types.join(", ")}) is not among ${name}${known}`, Code.InvalidArgument);
}

/** JSON names no types: the first that the arguments fit. */
function jsonRequest(group: readonly BoundMethod[]): MessageCodec {
  return {
    encode: notHere,
    decode: (bytes, owned, start, end): readonly unknown[] => {
      let failure: unknown;
      for (const method of group) {
        try {
          const codec = method.info.description?.json.request as MessageCodec;
          return choose(method, codec.decode(bytes, owned, start, end) as readonly unknown[]);
        } catch (error) {
          failure ??= error;
        }
      }
      throw failure;
    },
  };
}

function answerCodec(
  group: readonly BoundMethod[],
  codecOf: (info: MethodInfo) => MessageCodec | undefined,
): MessageCodec {
  return {
    encode: (message) => {
      // What is no answer is an exception, which all codecs write alike, or results are alike.
      const { info } = message instanceof Answer ? message.method : (group[0] as BoundMethod);
      return (codecOf(info) as MessageCodec).encode(message instanceof Answer ? message.result : message);
    },
    decode: notHere,
  };
}

function notHere(): never {
  throw new TypeError("clients have a method for each of the overloaded ones");
}
