import { HessianError } from "./hessian-error.js";
import { JavaList, JavaLong, type JavaObject, javaObject } from "./java-types.js";

/** As its serialised form has it: sign, and 32-bit words from the most significant on. */
export function javaBigInteger(value: bigint): JavaObject {
  const words: number[] = [];
  for (let rest = value < 0n ? -value : value; rest > 0n; rest >>= 32n) words.unshift(Number(BigInt.asIntN(32, rest)));
  return javaObject("java.math.BigInteger", {
    signum: value === 0n ? 0 : value < 0n ? -1 : 1,
    mag: new JavaList("[int", words),
  });
}

const isIntegers = (value: unknown): value is number[] => Array.isArray(value) && value.every(Number.isInteger);

function readBigInteger({ fields }: JavaObject): bigint {
  const { value, signum } = fields;
  if (typeof value === "string" && /^-?\d{1,10000}$/.test(value)) return BigInt(value);
  const mag = fields["mag"] instanceof JavaList ? fields["mag"].items : fields["mag"];
  // The base conversion is cheap: each word is shifted once, hence hexadecimal.
  if (isIntegers(mag)) {
    const digits = mag.map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
    const magnitude = BigInt(`0x${digits || "0"}`);
    return signum === -1 ? -magnitude : magnitude;
  }
  throw new HessianError("a BigInteger without value or magnitude");
}

const two = (value: unknown) => String(value).padStart(2, "0");
const numberOf = (value: unknown): number =>
  typeof value === "number" ? value : value instanceof JavaLong ? Number(value.value) : Number.NaN;

function dateText({ fields }: JavaObject): string {
  const year = numberOf(fields["year"]);
  const text = String(Math.abs(year)).padStart(4, "0");
  const sign = year < 0 ? "-" : year > 9999 ? "+" : "";
  return `${sign}${text}-${two(fields["month"])}-${two(fields["day"])}`;
}

/** In groups of three digits, as Java prints them. */
const nanoText = (nano: number) =>
  nano === 0
    ? ""
    : `.${String(nano)
        .padStart(9, "0")
        .replace(/(?:000)+$/, "")}`;

const timeText = ({ fields }: JavaObject): string =>
  `${two(fields["hour"])}:${two(fields["minute"])}:${two(fields["second"])}${nanoText(numberOf(fields["nano"] ?? fields["nanos"]))}`;

function offsetText({ fields }: JavaObject): string {
  const seconds = numberOf(fields["seconds"]);
  if (seconds === 0) return "Z";
  const rest = Math.abs(seconds);
  const tail = rest % 60 === 0 ? "" : `:${two(rest % 60)}`;
  return `${seconds < 0 ? "-" : "+"}${two(Math.floor(rest / 3600))}:${two(Math.floor(rest / 60) % 60)}${tail}`;
}

function instantText({ fields }: JavaObject): string {
  const seconds = numberOf(fields["seconds"]);
  // oxlint-disable-next-line no-restricted-globals -- Date is a value here, not the time.
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) throw new HessianError(`an Instant of ${seconds} s`);
  return `${date.toISOString().slice(0, -".000Z".length)}${nanoText(numberOf(fields["nanos"]))}Z`;
}

const bitsOf = (value: unknown): bigint =>
  value instanceof JavaLong ? value.value : typeof value === "bigint" ? value : BigInt(numberOf(value));

function uuidText({ fields }: JavaObject): string {
  if (typeof fields["value"] === "string") return fields["value"];
  const bits =
    (BigInt.asUintN(64, bitsOf(fields["mostSigBits"])) << 64n) | BigInt.asUintN(64, bitsOf(fields["leastSigBits"]));
  return bits
    .toString(16)
    .padStart(32, "0")
    .replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, "$1-$2-$3-$4-$5");
}

function durationText({ fields }: JavaObject): string {
  const seconds = numberOf(fields["seconds"]);
  const nanos = numberOf(fields["nanos"]);
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

type Read = (object: JavaObject) => unknown;

/** A field that is an object of a certain handle class, as text. */
function part(object: JavaObject, field: string, read: (object: JavaObject) => string): string {
  const value = object.fields[field];
  if (typeof value === "object" && value !== null && "fields" in value) return read(value as JavaObject);
  throw new HessianError(`${object.className} without ${field}`);
}

const dateTimeText = (object: JavaObject): string =>
  `${part(object, "date", dateText)}T${part(object, "time", timeText)}`;

/** java.time travels as handles of hessian-lite; the text is ISO 8601 and what Java parses again. */
const java8: Readonly<Record<string, Read>> = {
  LocalDateHandle: dateText,
  LocalTimeHandle: timeText,
  LocalDateTimeHandle: dateTimeText,
  InstantHandle: instantText,
  DurationHandle: durationText,
  ZoneOffsetHandle: offsetText,
  ZoneIdHandle: ({ fields }) => fields["zoneId"],
  OffsetDateTimeHandle: (object) => `${part(object, "dateTime", dateTimeText)}${part(object, "offset", offsetText)}`,
  OffsetTimeHandle: (object) => `${part(object, "localTime", timeText)}${part(object, "zoneOffset", offsetText)}`,
  ZonedDateTimeHandle: (object) => {
    const zone = object.fields["zoneId"];
    const suffix = typeof zone === "string" ? `[${zone}]` : "";
    return `${part(object, "dateTime", dateTimeText)}${part(object, "offset", offsetText)}${suffix}`;
  },
  YearHandle: ({ fields }) => fields["year"],
  YearMonthHandle: ({ fields }) => `${String(fields["year"]).padStart(4, "0")}-${two(fields["month"])}`,
  MonthDayHandle: ({ fields }) => `--${two(fields["month"])}-${two(fields["day"])}`,
};

const itsValue: Read = ({ fields }) => fields["value"];

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
