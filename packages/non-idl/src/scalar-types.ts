import { JavaObject, javaBigDecimal, javaBigInteger, javaDouble, javaInt, javaLong, toPlain } from "@dubhe/hessian2";
import { describeValue, type Issue, report } from "./issues.js";
import { JavaType } from "./java-type.js";
import { dateHandle, dateTimeHandle, timeHandle } from "./time-handles.js";

/** How a value without parts is told, and carried over. Left out: as it is. */
interface ScalarInit {
  /** For people: "a string". */
  readonly what: string;
  /** `Out` of a value, or undefined when it is none. */
  read(value: unknown): unknown;
  readonly toJava?: (value: unknown) => unknown;
  readonly fromJava?: (value: unknown) => unknown;
  readonly toJson?: (value: unknown) => unknown;
  readonly fromJson?: (value: unknown) => unknown;
  /** As generic calls have it; default: as toJava. */
  readonly toGeneric?: (value: unknown) => unknown;
}

const same = (value: unknown): unknown => value;

export class ScalarType<In, Out = In> extends JavaType<In, Out> {
  readonly #init: ScalarInit;

  constructor(className: string, init: ScalarInit) {
    super(className);
    this.#init = init;
  }

  parse(value: unknown, path: readonly PropertyKey[], issues: Issue[]): unknown {
    const read = this.#init.read(value);
    if (read === undefined) report(issues, path, `expected ${this.#init.what}, got ${describeValue(value)}`);
    return read;
  }

  toJava(value: unknown): unknown {
    return (this.#init.toJava ?? same)(value);
  }

  fromJava(value: unknown): unknown {
    return (this.#init.fromJava ?? same)(value);
  }

  override toGeneric(value: unknown): unknown {
    return (this.#init.toGeneric ?? this.#init.toJava ?? same)(value);
  }

  toJson(value: unknown): unknown {
    return (this.#init.toJson ?? same)(value);
  }

  fromJson(value: unknown): unknown {
    return (this.#init.fromJson ?? same)(value);
  }
}

export function booleanType(className: string): JavaType<boolean> {
  return new ScalarType(className, {
    what: "a boolean",
    read: (value) => (typeof value === "boolean" ? value : undefined),
  });
}

export function stringType(className: string): JavaType<string> {
  return new ScalarType(className, {
    what: "a string",
    read: (value) => (typeof value === "string" ? value : undefined),
  });
}

/** A Java char is one UTF-16 unit. */
export function charType(className: string): JavaType<string> {
  return new ScalarType(className, {
    what: "a string of one UTF-16 unit",
    read: (value) => (typeof value === "string" && value.length === 1 ? value : undefined),
  });
}

export function integerType(className: string, bits: 8 | 16 | 32): JavaType<number> {
  const limit = 2 ** (bits - 1);
  return new ScalarType(className, {
    what: `an integer of ${bits} bits`,
    read: (value) =>
      typeof value === "number" && Number.isInteger(value) && value >= -limit && value < limit ? value : undefined,
    toJava: (value) => javaInt(value as number),
    fromJava: handleValue,
  });
}

const maxLong = 2n ** 63n;

function exactLong(value: unknown): bigint | undefined {
  if (typeof value === "number" && Number.isSafeInteger(value)) return BigInt(value);
  return typeof value === "bigint" && value >= -maxLong && value < maxLong ? value : undefined;
}

const integerText = /^-?\d{1,19}$/;

/** JSON numbers are doubles to most who read them: beyond what those can tell apart, text. */
const longToJson = (value: unknown): unknown =>
  Number.isSafeInteger(Number(value)) ? Number(value) : String(value as bigint);
const longFromJson = (value: unknown): unknown =>
  typeof value === "string" && integerText.test(value) ? BigInt(value) : value;

export function longType(className: string): JavaType<bigint | number, bigint> {
  return new ScalarType(className, {
    what: "an integer of 64 bits",
    read: exactLong,
    toJava: (value) => javaLong(value as bigint | number),
    toJson: longToJson,
    fromJson: longFromJson,
  });
}

export function safeLongType(className: string): JavaType<number> {
  return new ScalarType(className, {
    what: "an integer that a number holds exactly (java.long has them all)",
    read: (value) => {
      const exact = exactLong(value);
      return exact !== undefined && Number.isSafeInteger(Number(exact)) ? Number(exact) : undefined;
    },
    toJava: (value) => javaLong(value as number),
    fromJson: longFromJson,
  });
}

const wordsToJson = (value: unknown): unknown => (Number.isFinite(value) ? value : String(value));
const wordsFromJson = (value: unknown): unknown =>
  value === "NaN" || value === "Infinity" || value === "-Infinity" ? Number(value) : value;

export function doubleType(className: string): JavaType<number> {
  const single = className === "float" || className === "java.lang.Float";
  return new ScalarType(className, {
    what: "a number",
    read: (value) => (typeof value === "number" ? value : undefined),
    toJava: (value) => javaDouble(single ? Math.fround(value as number) : (value as number)),
    fromJava: handleValue,
    toJson: wordsToJson,
    fromJson: wordsFromJson,
  });
}

/** In one way only: one that could be read in two would take the square of a long text's length to refuse. */
const decimalText = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;

export function decimalType(): JavaType<string> {
  return new ScalarType("java.math.BigDecimal", {
    what: "the text of a decimal number",
    read: (value) => (typeof value === "string" && decimalText.test(value) ? value : undefined),
    toJava: (value) => javaBigDecimal(value as string),
    fromJava: toPlain,
    fromJson: (value) => (typeof value === "number" ? String(value) : value),
  });
}

export function bigIntegerType(): JavaType<bigint> {
  return new ScalarType("java.math.BigInteger", {
    what: "a bigint",
    read: (value) => (typeof value === "bigint" ? value : undefined),
    toJava: (value) => javaBigInteger(value as bigint),
    fromJava: toPlain,
    toJson: longToJson,
    fromJson: (value) => {
      if (typeof value === "number" && Number.isSafeInteger(value)) return BigInt(value);
      return typeof value === "string" && /^-?\d{1,10000}$/.test(value) ? BigInt(value) : value;
    },
  });
}

const moment = /^\d{4}-\d\d-\d\dT.*(?:Z|[+-]\d\d:?\d\d)$/;

export function dateType(): JavaType<Date> {
  return new ScalarType("java.util.Date", {
    what: "a valid Date",
    // oxlint-disable-next-line no-restricted-globals -- Date is a value here, not the time.
    read: (value) => (value instanceof Date && !Number.isNaN(value.getTime()) ? value : undefined),
    toJson: (value) => (value as Date).toISOString(),
    fromJson: (value) => {
      // Without a zone it would be some other moment for each who reads it.
      if (typeof value === "string" ? !moment.test(value) : typeof value !== "number") return value;
      // oxlint-disable-next-line no-restricted-globals -- Date is a value here, not the time.
      return new Date(value as string | number);
    },
  });
}

function isByte(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= -128 && value <= 255;
}

export function bytesType(): JavaType<Uint8Array> {
  return new ScalarType("[B", {
    what: "a Uint8Array",
    read: (value) => (value instanceof Uint8Array ? value : undefined),
    toJson: (value) => Buffer.from(value as Uint8Array).toString("base64"),
    fromJson: (value) => {
      if (typeof value === "string") return new Uint8Array(Buffer.from(value, "base64"));
      // As dubbo-java has it.
      return Array.isArray(value) && value.every(isByte) ? Uint8Array.from(value) : value;
    },
  });
}

const day = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])$/;
const time = /^(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?$/;

/** Types of java.time, as the text that their toString gives. */
export function timeType(className: "LocalDate" | "LocalTime" | "LocalDateTime"): JavaType<string> {
  const fits = (text: string): boolean => {
    if (className === "LocalDate") return day.test(text);
    if (className === "LocalTime") return time.test(text);
    const at = text.indexOf("T");
    return day.test(text.slice(0, at)) && time.test(text.slice(at + 1));
  };
  const handle = { LocalDate: dateHandle, LocalTime: timeHandle, LocalDateTime: dateTimeHandle }[className];
  const example = { LocalDate: "2024-02-29", LocalTime: "23:59:58", LocalDateTime: "2024-02-29T23:59:58" }[className];
  return new ScalarType(`java.time.${className}`, {
    what: `text like ${example}`,
    read: (value) => (typeof value === "string" && fits(value) ? value : undefined),
    toJava: (value) => handle(value as string),
    fromJava: toPlain,
    // dubbo-java has a space between date and time.
    fromJson: (value) => (typeof value === "string" ? value.replace(" ", "T") : value),
    toGeneric: same,
  });
}

/** Byte, Short and Float objects travel in handles of hessian-lite. */
function handleValue(value: unknown): unknown {
  return value instanceof JavaObject ? toPlain(value) : value;
}
