import { exceptionOf, type JavaExceptionInfo, JavaObject, javaException } from "@dubhe/hessian2";
import { Code, codeName, RpcError, type ThrownMessage, type ThrownMessages } from "@dubhe/rpc";

export interface JavaExceptionInit {
  /** Beside those of Throwable: what the class has of its own. */
  readonly fields?: Readonly<Record<string, unknown>>;
  /** As Java prints them, without `at`. Ours has none: TypeScript's stacks are nobody's business elsewhere. */
  readonly stackTrace?: readonly string[];
  readonly cause?: unknown;
}

/**
 * An exception of Java's. Thrown by a handler, a dubbo-java consumer catches it as an exception of that class, which it must
 * have. Received, it is the `cause` of an RpcError: see `javaExceptionOf`.
 */
export class JavaException extends Error {
  readonly className: string;
  /** What the class has beside a Throwable's. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** The first frames, as Java prints them; empty for one made here. */
  readonly stackTrace: readonly string[];

  constructor(className: string, message: string, init: JavaExceptionInit = {}) {
    super(message, init.cause === undefined ? undefined : { cause: init.cause });
    this.className = className;
    this.fields = init.fields ?? {};
    this.stackTrace = init.stackTrace ?? [];
  }
}

Object.defineProperty(JavaException.prototype, "name", { value: "JavaException" });

/** The exception that a call was answered with; undefined when it failed otherwise. */
export function javaExceptionOf(error: unknown): JavaException | undefined {
  if (error instanceof JavaException) return error;
  return error instanceof RpcError && error.cause instanceof JavaException ? error.cause : undefined;
}

/** Of a hessian2 value that is a Throwable; undefined for any other. */
export function readException(value: unknown): JavaException | undefined {
  // An object of some class may have one of these fields, or two; java.lang.Throwable has them all.
  if (!(value instanceof JavaObject) || !fieldsOfAll.every((name) => name in value.fields)) return undefined;
  const info = exceptionOf(value);
  return info === undefined ? undefined : made(info, value);
}

/** Frames kept: the first say where it happened, the others how Dubbo called it. */
const maxFrames = 20;
const fieldsOfAll = ["detailMessage", "cause", "stackTrace"];
const ofThrowable = new Set([...fieldsOfAll, "suppressedExceptions"]);
/** Causes of causes that are sent. */
const maxCauses = 8;

function made(info: JavaExceptionInfo, value: JavaObject | undefined): JavaException {
  const fields = Object.entries(value?.fields ?? {}).filter(([name]) => !ofThrowable.has(name));
  return new JavaException(info.className, info.message, {
    fields: Object.fromEntries(fields),
    stackTrace: info.stackTrace.slice(0, maxFrames),
    ...(info.cause === undefined ? undefined : { cause: made(info.cause, undefined) }),
  });
}

/** For the hessian2 writer. */
export function writeException(exception: JavaException, depth = 0): JavaObject {
  const cause = exception.cause instanceof JavaException && depth < maxCauses ? exception.cause : undefined;
  const thrown = javaException(
    exception.className,
    exception.message,
    cause === undefined ? {} : { cause: writeException(cause, depth + 1) },
  );
  Object.assign(thrown.fields, exception.fields);
  return thrown;
}

/** Says that the message is an exception; the value is a gRPC code or, for a business exception, this. */
const exceptionHeader = "tri-exception-code";
const businessException = "3";

/**
 * dubbo-java answers an exception of a unary method with status OK, the header `tri-exception-code` and the exception in
 * place of the result (ExceptionCustomizerWrapper; its value is the gRPC code of an RpcException, or 3).
 */
export const thrownExceptions: ThrownMessages = {
  read(response, headers): RpcError | undefined {
    if (!(response instanceof JavaException)) return undefined;
    const at = headers.findIndex((text, i) => i % 2 === 0 && text === exceptionHeader);
    const header = at >= 0 ? headers[at + 1] : undefined;
    const code = header === undefined || header === businessException ? Code.Unknown : Number(header);
    const known = codeName(code) !== undefined && Number.isInteger(code) && code > 0 && code <= 16;
    const { className, message } = response;
    const text = message === "" ? className : `${className}: ${message}`;
    return new RpcError(text, known ? code : Code.Unknown, { source: "peer", cause: response });
  },
  write(error): ThrownMessage | undefined {
    return error instanceof JavaException
      ? { message: error, headers: [exceptionHeader, businessException] }
      : undefined;
  },
};
