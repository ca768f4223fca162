import { encodeValue, javaBigInteger, javaList, toPlain } from "@dubhe/hessian2";
import { Code, type MessageCodec, messageCodec, RpcError, TripleRequestWrapperSchema } from "@dubhe/rpc";
import { JavaException, readException, writeException } from "./java-exception.js";
import { NaturalType } from "./natural-type.js";
import { decodeHessian, decodeResult, decodeWrapper, encodeAs, encodeResult } from "./wrapper-codec.js";

/** Of `Object $invoke(String method, String[] parameterTypes, Object[] args)`, as `Class.getName()` has them. */
const argTypes = ["java.lang.String", "[Ljava.lang.String;", "[Ljava.lang.Object;"];

/** A generic call, as it travels: `args` are what the hessian2 reader gives, or the writer takes. */
export interface GenericCall {
  readonly method: string;
  /** None = the method is not overloaded. */
  readonly types: readonly string[] | null;
  readonly args: readonly unknown[];
}

const requests = messageCodec(TripleRequestWrapperSchema);

export const genericRequest: MessageCodec = {
  encode(message): Uint8Array {
    const { method, types, args } = message as GenericCall;
    const made = new Map<object, unknown>();
    const list = javaList(
      "[object",
      args.map((arg) => withBigIntegers(arg, made)),
    );
    return requests.encode({
      serializeType: "hessian2",
      args: [
        encodeValue(method),
        encodeValue(types === null ? null : javaList("[string", types)),
        encodeAs(java, list, `arguments of ${method}`),
      ],
      argTypes,
    });
  },

  decode(bytes, owned, start, end): GenericCall {
    const wrapper = decodeWrapper(bytes, owned, start, end);
    const [method, types, args] = wrapper.args.map((arg) => decodeHessian(arg, "a generic call"));
    if (typeof method !== "string" || !(types === null || isTexts(types)) || !(args === null || Array.isArray(args)))
      throw new RpcError("a generic call is a method, the names of its types, and its arguments", Code.InvalidArgument);
    return { method, types, args: args ?? [] };
  },
};

const java = new NaturalType();
const maxLong = 2n ** 63n;

/** Deeper is too deep for the writer as well, which says so. */
const maxDepth = 1_000;

/** What no long can hold is a BigInteger, also within lists and objects. `made`: one of what was one, also in a circle. */
function withBigIntegers(value: unknown, made: Map<object, unknown>, depth = 0): unknown {
  if (typeof value === "bigint") return value >= -maxLong && value < maxLong ? value : javaBigInteger(value);
  if (typeof value !== "object" || value === null || depth > maxDepth) return value;
  const known = made.get(value);
  if (known !== undefined) return known;
  if (Array.isArray(value)) {
    const list: unknown[] = [];
    made.set(value, list);
    for (const item of value) list.push(withBigIntegers(item, made, depth + 1));
    return list;
  }
  const isMap = value instanceof Map;
  if (!isMap && Object.getPrototypeOf(value) !== Object.prototype) return value;
  const map = new Map<unknown, unknown>();
  made.set(value, map);
  for (const [key, item] of isMap ? value : Object.entries(value)) map.set(key, withBigIntegers(item, made, depth + 1));
  return map;
}

/** Of a server, which has generalised the value; of a client, to which it is plain. */
export const genericResponse: MessageCodec = {
  encode(message): Uint8Array {
    if (message instanceof JavaException)
      return encodeResult(encodeValue(writeException(message)), "java.lang.Exception");
    return encodeResult(encodeValue(message ?? null), "java.lang.Object");
  },

  decode(bytes, owned, start, end): unknown {
    return decodeHessian(decodeResult(bytes, owned, start, end).data, "the result of a generic call", (value) => {
      const exception = readException(value);
      return exception === undefined ? toPlain(value) : specific(exception);
    });
  },
};

const genericException = "org.apache.dubbo.rpc.service.GenericException";

/** As generic consumers expect them: they do not have the class. */
export function generic(exception: JavaException): JavaException {
  const { className, message } = exception;
  return new JavaException(genericException, `${className}: ${message}`, {
    // Not the exception as its cause: who calls so has none of its classes.
    fields: { exceptionClass: className, exceptionMessage: message },
  });
}

/** What a GenericException tells of. dubbo-java's own has the old name, com.alibaba.…. */
function specific(exception: JavaException): JavaException {
  const { exceptionClass, exceptionMessage } = exception.fields;
  if (!exception.className.endsWith(".GenericException") || typeof exceptionClass !== "string") return exception;
  const message = typeof exceptionMessage === "string" ? exceptionMessage : "";
  return new JavaException(exceptionClass, message, { stackTrace: exception.stackTrace, cause: exception.cause });
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

/** Bodies of JSON: nobody sends them. */
export const noJson: { readonly request: MessageCodec; readonly response: MessageCodec } = {
  request: { encode: refuse, decode: refuse },
  response: { encode: refuse, decode: refuse },
};

function refuse(): never {
  throw new RpcError("generic calls are made with hessian2", Code.Unimplemented);
}
