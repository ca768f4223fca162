import { encodeValue, exceptionOf, HessianError, HessianReader, HessianWriter, type JavaType } from "@dubhe/hessian2";
import { DubboError } from "./dubbo-error.js";
import { type Frame, hessian2, statusOk, statusText } from "./frame.js";

/** One call, as the dubbo protocol carries it. */
export interface Invocation {
  /** The Java interface. */
  readonly service: string;
  readonly group?: string;
  /** Of the service. Default: none. */
  readonly version?: string;
  readonly method: string;
  /** As in Java source: `java.lang.String`, `int`, `long[]`. */
  readonly parameterTypes: readonly JavaType[];
  readonly args: readonly unknown[];
  readonly attachments?: Readonly<Record<string, string>>;
}

/**
 * "Dubbo version" of the protocol. Since 2.0.2 responses may have attachments (kinds 3 to 5); every Dubbo 3 and dubbo-go
 * sends this one.
 */
const protocolVersion = "2.0.2";

const primitives: ReadonlyMap<string, string> = new Map(
  Object.entries({
    void: "V",
    boolean: "Z",
    byte: "B",
    char: "C",
    double: "D",
    float: "F",
    int: "I",
    long: "J",
    short: "S",
  }),
);

/** The JVM's descriptor: `Ljava/lang/String;`, `[I`. */
export function descriptorOf(type: JavaType): string {
  if (type.endsWith("[]")) return `[${descriptorOf(type.slice(0, -2))}`;
  const raw = type.replace(/<.*>$/, "");
  return primitives.get(raw) ?? `L${raw.replaceAll(".", "/")};`;
}

/** @throws HessianError when an argument does not fit its type. */
export function encodeInvocation(invocation: Invocation): Uint8Array {
  const { service, group = "", version = "", method, parameterTypes, args, attachments } = invocation;
  if (args.length !== parameterTypes.length) {
    throw new HessianError(`${args.length} arguments for the ${parameterTypes.length} parameters of ${method}`);
  }
  const writer = new HessianWriter();
  writer.write(protocolVersion);
  writer.write(service);
  writer.write(version);
  writer.write(method);
  writer.write(parameterTypes.map(descriptorOf).join(""));
  for (const [i, arg] of args.entries()) writer.write(arg, parameterTypes[i]);
  writer.write({
    path: service,
    interface: service,
    ...(group === "" ? undefined : { group }),
    ...(version === "" ? undefined : { version }),
    ...attachments,
  });
  return writer.finish();
}

export interface Answer {
  readonly value: unknown;
  readonly attachments: ReadonlyMap<unknown, unknown>;
}

const cut = (text: string): string => (text.length > 2_000 ? `${text.slice(0, 2_000)}…` : text);

/** What an error says: the status counts, so a text that cannot be read is no error of its own. */
function messageOf({ serialization, body }: Frame): string {
  if (body.length === 0) return "no message";
  if (serialization !== hessian2) return `a message serialised in way ${serialization}`;
  let said: unknown;
  try {
    said = new HessianReader(body).read();
  } catch (error) {
    return `a message that cannot be read (${(error as Error).message})`;
  }
  const text = typeof said === "string" ? said : exceptionOf(said)?.message;
  return text ? cut(text) : "no message";
}

/** The six kinds of an answer: what follows, and whether attachments do. */
const kinds = ["exception", "value", "null", "exception", "value", "null"] as const;

/**
 * Whatever stands behind the last part is ignored: dubbo-go ends each body with a null of its own.
 *
 * @throws DubboError for an answer that is an error, HessianError for one that is none.
 */
export function decodeAnswer(frame: Frame): Answer {
  if (frame.status !== statusOk) {
    throw new DubboError(`${statusText(frame.status)}: ${messageOf(frame)}`, "peer");
  }
  if (frame.serialization !== hessian2) {
    throw new DubboError(`the answer is serialised in way ${frame.serialization}, not hessian2 (2)`, "protocol");
  }
  const reader = new HessianReader(frame.body);
  const kind = reader.read();
  const what = typeof kind === "number" ? kinds[kind] : undefined;
  if (what === undefined) throw new DubboError(`an answer of kind ${String(kind)}; there are 0 to 5`, "protocol");
  const value = what === "null" ? null : reader.read();
  if (what === "exception") {
    const thrown = exceptionOf(value);
    const text =
      thrown === undefined
        ? `something that is no Throwable (${typeof value})`
        : `${thrown.className}: ${cut(thrown.message)}`;
    throw new DubboError(text, "exception", { cause: value });
  }
  const attachments = (kind as number) >= 3 && !reader.done ? reader.read() : undefined;
  return { value, attachments: attachments instanceof Map ? attachments : new Map() };
}

export const nullBody: Uint8Array = encodeValue(null);
/** "R", in whatever serialization: its letter stands in no null, and other events are not known. */
export const isReadOnly = (body: Uint8Array): boolean => body.length <= 4 && body.includes(0x52);
export const errorBody = (message: string): Uint8Array => encodeValue(message);
