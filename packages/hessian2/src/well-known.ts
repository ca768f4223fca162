import { HessianError } from "./hessian-error.js";
import { JavaDouble, JavaInt, JavaList, JavaLong, type JavaObject, javaObject } from "./java-types.js";

/** As its serialised form has it: sign, and 32-bit words from the most significant on. */
export function javaBigInteger(value: bigint): JavaObject {
  const words: number[] = [];
  for (let rest = value < 0n ? -value : value; rest > 0n; rest >>= 32n) words.unshift(Number(BigInt.asIntN(32, rest)));
  return javaObject("java.math.BigInteger", {
    signum: value === 0n ? 0 : value < 0n ? -1 : 1,
    mag: new JavaList("[int", words),
  });
}

/** What one conversion remembers: many BigIntegers may refer to one magnitude, which is converted once. */
export type Magnitudes = Map<readonly unknown[], readonly [positive: bigint, negative: bigint]>;

/** Ten million decimal digits; V8's own limit is thirty times that. */
const maxWords = 1_000_000;
const isWords = (value: readonly unknown[]): value is readonly number[] =>
  value.length <= maxWords && value.every(Number.isInteger);

function magnitudeOf(words: readonly unknown[], known: Magnitudes): readonly [bigint, bigint] {
  const both = known.get(words);
  if (both !== undefined) return both;
  if (!isWords(words)) throw new HessianError("a BigInteger whose magnitude is none");
  // Hexadecimal: its conversion takes linear time.
  const digits = words.map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
  const positive = BigInt(`0x${digits || "0"}`);
  const made = [positive, -positive] as const;
  known.set(words, made);
  return made;
}

function readBigInteger({ fields }: JavaObject, known: Magnitudes): bigint {
  const { value, signum } = fields;
  if (typeof value === "string" && /^-?\d{1,10000}$/.test(value)) return BigInt(value);
  const mag = fields["mag"] instanceof JavaList ? fields["mag"].items : fields["mag"];
  if (Array.isArray(mag)) return magnitudeOf(mag, known)[signum === -1 ? 1 : 0];
  throw new HessianError("a BigInteger without value or magnitude");
}

/** Scalars only: a list as text would take as long as its references let it grow. */
function numberOf({ className, fields }: JavaObject, ...names: readonly string[]): number {
  for (const name of names) {
    const value = fields[name];
    if (typeof value === "number") return value;
    if (value instanceof JavaLong) return Number(value.value);
    if (typeof value === "bigint") return Number(value);
  }
  throw new HessianError(`${className} without ${names[0]}`);
}

const padded = (value: number, digits: number) => String(value).padStart(digits, "0");
const two = (object: JavaObject, field: string) => padded(numberOf(object, field), 2);

function dateText(object: JavaObject): string {
  const year = numberOf(object, "year");
  const sign = year < 0 ? "-" : year > 9999 ? "+" : "";
  return `${sign}${padded(Math.abs(year), 4)}-${two(object, "month")}-${two(object, "day")}`;
}

/** In groups of three digits, as Java prints them. */
const nanoText = (nano: number) =>
  nano === 0
    ? ""
    : `.${String(nano)
        .padStart(9, "0")
        .replace(/(?:000)+$/, "")}`;

const timeText = (object: JavaObject): string =>
  `${two(object, "hour")}:${two(object, "minute")}:${two(object, "second")}${nanoText(numberOf(object, "nano", "nanos"))}`;

function offsetText(object: JavaObject): string {
  const seconds = numberOf(object, "seconds");
  if (seconds === 0) return "Z";
  const rest = Math.abs(seconds);
  const tail = rest % 60 === 0 ? "" : `:${padded(rest % 60, 2)}`;
  return `${seconds < 0 ? "-" : "+"}${padded(Math.floor(rest / 3600), 2)}:${padded(Math.floor(rest / 60) % 60, 2)}${tail}`;
}

function instantText(object: JavaObject): string {
  const seconds = numberOf(object, "seconds");
  // oxlint-disable-next-line no-restricted-globals -- Date is a value here, not the time.
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) throw new HessianError(`an Instant of ${seconds} s`);
  return `${date.toISOString().slice(0, -".000Z".length)}${nanoText(numberOf(object, "nanos"))}Z`;
}

function bitsOf({ className, fields }: JavaObject, field: string): bigint {
  const value = fields[field];
  if (value instanceof JavaLong) return BigInt.asUintN(64, value.value);
  if (typeof value === "bigint" || Number.isInteger(value)) return BigInt.asUintN(64, BigInt(value as bigint | number));
  throw new HessianError(`${className} without ${field}`);
}

function uuidText(object: JavaObject): string {
  if (typeof object.fields["value"] === "string") return object.fields["value"];
  return ((bitsOf(object, "mostSigBits") << 64n) | bitsOf(object, "leastSigBits"))
    .toString(16)
    .padStart(32, "0")
    .replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, "$1-$2-$3-$4-$5");
}

function durationText(object: JavaObject): string {
  const seconds = numberOf(object, "seconds");
  const nanos = numberOf(object, "nanos");
  // The nanoseconds are added: -1.5 s is -2 s and half a billion of them.
  const negative = seconds < 0 && nanos > 0;
  const whole = negative ? seconds + 1 : seconds;
  const hours = Math.trunc(whole / 3600);
  const minutes = Math.trunc((whole % 3600) / 60);
  const rest = whole % 60;
  const long = `${hours === 0 ? "" : `${hours}H`}${minutes === 0 ? "" : `${minutes}M`}`;
  if (rest === 0 && nanos === 0) return `PT${long || "0S"}`;
  const fraction =
    nanos === 0
      ? ""
      : String(negative ? 1e9 - nanos : nanos)
          .padStart(9, "0")
          .replace(/0+$/, "");
  return `PT${long}${negative && rest === 0 ? "-0" : rest}${fraction === "" ? "" : `.${fraction}`}S`;
}

type Read = (object: JavaObject, magnitudes: Magnitudes) => unknown;

/** A field that is an object of a certain handle class, as text. */
function part(object: JavaObject, field: string, read: (object: JavaObject) => string): string {
  const value = object.fields[field];
  if (typeof value === "object" && value !== null && "fields" in value) return read(value as JavaObject);
  throw new HessianError(`${object.className} without ${field}`);
}

const dateTimeText = (object: JavaObject): string =>
  `${part(object, "date", dateText)}T${part(object, "time", timeText)}`;

/** A field that is text, a number, a Date or null. */
const scalar =
  (field: string): Read =>
  ({ className, fields }) => {
    const value = fields[field];
    if (value instanceof JavaInt || value instanceof JavaDouble) return value.value;
    // oxlint-disable-next-line no-restricted-globals -- Date is a value here, not the time.
    if (value === null || value instanceof Date || typeof value === "string" || typeof value === "number") return value;
    throw new HessianError(`${className} without ${field}`);
  };

/** java.time travels as handles of hessian-lite; the text is ISO 8601 and what Java parses again. */
const java8: Readonly<Record<string, Read>> = {
  LocalDateHandle: dateText,
  LocalTimeHandle: timeText,
  LocalDateTimeHandle: dateTimeText,
  InstantHandle: instantText,
  DurationHandle: durationText,
  ZoneOffsetHandle: offsetText,
  ZoneIdHandle: scalar("zoneId"),
  OffsetDateTimeHandle: (object) => `${part(object, "dateTime", dateTimeText)}${part(object, "offset", offsetText)}`,
  OffsetTimeHandle: (object) => `${part(object, "localTime", timeText)}${part(object, "zoneOffset", offsetText)}`,
  ZonedDateTimeHandle: (object) => {
    const zone = object.fields["zoneId"];
    const suffix = typeof zone === "string" ? `[${zone}]` : "";
    return `${part(object, "dateTime", dateTimeText)}${part(object, "offset", offsetText)}${suffix}`;
  },
  YearHandle: (object) => numberOf(object, "year"),
  YearMonthHandle: (object) => `${padded(numberOf(object, "year"), 4)}-${two(object, "month")}`,
  MonthDayHandle: (object) => `--${two(object, "month")}-${two(object, "day")}`,
};

const itsValue = scalar("value");

const readers: ReadonlyMap<string, Read> = new Map<string, Read>([
  ["java.math.BigInteger", readBigInteger],
  ["java.math.BigDecimal", itsValue],
  ["java.sql.Timestamp", itsValue],
  ["java.sql.Date", itsValue],
  ["java.sql.Time", itsValue],
  ["java.util.UUID", uuidText],
  ...["ShortHandle", "ByteHandle", "FloatHandle", "LocaleHandle"].map((name): [string, Read] => [
    `com.alibaba.com.caucho.hessian.io.${name}`,
    itsValue,
  ]),
  ...Object.entries(java8).flatMap(([name, read]): [string, Read][] => [
    [`com.alibaba.com.caucho.hessian.io.java8.${name}`, read],
    [`com.caucho.hessian.io.java8.${name}`, read],
  ]),
]);

/** How an object of a class that everybody knows reads in JavaScript; undefined for all other classes. */
export const wellKnown = (className: string): Read | undefined => readers.get(className);
