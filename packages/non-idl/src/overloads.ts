import { Code, type DescribedRoute, type MessageCodec, type MethodInfo, RpcError } from "@dubhe/rpc";
import type { BoundMethod } from "./service-method.js";
import { decodeWrapper, readArguments } from "./wrapper-codec.js";

/** What a request of several methods with one name is: one of them, with its arguments. */
interface Chosen {
  readonly method: BoundMethod;
  readonly args: readonly unknown[];
}

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
  const first = (group[0] as BoundMethod).info;
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
  return {
    method,
    handler: async (request, context): Promise<Answer> => {
      const { method: chosen, args } = request as Chosen;
      return new Answer(chosen, await chosen.call(args, context));
    },
  };
}

function wrappedRequest(group: readonly BoundMethod[]): MessageCodec {
  const { name } = (group[0] as BoundMethod).info;
  return {
    encode: notHere,
    decode: (bytes, owned, start, end): Chosen => {
      const wrapper = decodeWrapper(bytes, owned, start, end);
      const method = chooseByTypes(group, name, wrapper.argTypes, wrapper.args.length);
      return { method, args: readArguments(wrapper, method.places, name) };
    },
  };
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
    decode: (bytes, owned, start, end): Chosen => {
      let failure: unknown;
      for (const method of group) {
        try {
          const codec = method.info.description?.json.request as MessageCodec;
          return { method, args: codec.decode(bytes, owned, start, end) as readonly unknown[] };
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
      // What is no answer is an exception, and all codecs write those alike.
      const { info } = message instanceof Answer ? message.method : (group[0] as BoundMethod);
      return (codecOf(info) as MessageCodec).encode(message instanceof Answer ? message.result : message);
    },
    decode: notHere,
  };
}

function notHere(): never {
  throw new TypeError("clients have a method for each of the overloaded ones");
}
