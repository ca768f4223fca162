// A value as text, in the words of the oracles (java/…/Describe.java, go/describe.go): it tells apart what Hessian tells apart.
import { createHash } from "node:crypto";
import { JavaDouble, JavaInt, JavaList, JavaLong, JavaMap, JavaObject, toPlain } from "@dubhe/hessian2";

const bytesText = (bytes) =>
  bytes.length <= 80
    ? Buffer.from(bytes).toString("hex")
    : `#${bytes.length}:${createHash("sha1").update(bytes).digest("hex")}`;

function utf16(text) {
  const bytes = Buffer.from(text, "utf16le");
  return bytes.swap16();
}

function doubleText(value) {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return `d${Number.isNaN(value) ? "7ff8000000000000" : bytes.readBigUInt64BE().toString(16)}`;
}

const sets = new Set(["java.util.HashSet", "java.util.LinkedHashSet", "java.util.TreeSet"]);
const ENUMS = new Set(["interop.hessian.Corpus$Color"]);

/** @param value read with `typed: true`, or about to be written */
export function describe(value) {
  const seen = new Map();
  const map = (entries) =>
    [...entries]
      .map(([key, item]) => [say(key), item])
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
      .map(([key, item]) => `${key}=${say(item)};`)
      .join("");

  function say(one) {
    if (one === null || one === undefined) return "null";
    if (typeof one === "boolean") return String(one);
    if (typeof one === "number") return `i${one}`;
    if (typeof one === "string") return `s${bytesText(utf16(one))}`;
    if (one instanceof JavaInt) return `i${one.value}`;
    if (one instanceof JavaLong) return `l${one.value}`;
    if (one instanceof JavaDouble) return doubleText(one.value);
    if (one instanceof Date) return `t${one.getTime()}`;
    if (one instanceof Uint8Array) return `b${bytesText(one)}`;
    if (one instanceof JavaObject) {
      const known = wellKnown(one);
      if (known !== undefined) return known;
    }
    if (seen.has(one)) return `^${seen.get(one)}`;
    seen.set(one, seen.size);
    if (one instanceof JavaList && sets.has(one.type)) return `{${one.items.map(say).sort().join(",")}}`;
    if (Array.isArray(one) || one instanceof JavaList) return `[${(one.items ?? one).map(say).join(",")}]`;
    if (one instanceof Map || one instanceof JavaMap) return `(${map(one.entries instanceof Map ? one.entries : one)})`;
    if (!(one instanceof JavaObject)) return `(${map(Object.entries(one))})`;
    const { className, fields } = one;
    if ("stackTrace" in fields) return throwable(one);
    return `<${className} ${map(Object.entries(fields))}>`;
  }

  function throwable(one) {
    const { cause, detailMessage, stackTrace } = one.fields;
    const frames = (stackTrace.items ?? stackTrace).length;
    return `X${one.className}:${detailMessage}:${frames}:${cause === one || cause === null ? "null" : say(cause)}`;
  }
  return say(value);
}

function wellKnown(object) {
  const { className, fields } = object;
  if (className === "java.math.BigDecimal") return `D${fields.value}`;
  if (className === "java.math.BigInteger") return `I${toPlain(object)}`;
  if (className === "java.util.UUID") return `U${fields.value}`;
  if (className.startsWith("java.sql.")) return `t${fields.value.getTime()}`;
  if (ENUMS.has(className)) return `E${className}.${fields.name}`;
  if (className.includes(".hessian.io.java8.")) return `T${toPlain(object)}`;
  return undefined;
}
