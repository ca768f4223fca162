/*
 * What RFC 9113 §8.2 calls malformed, checked once a literal (table entries keep the verdict). Each check returns why
 * the field is malformed, or undefined.
 */

/** token of RFC 9110 §5.6.2 without capitals (RFC 9113 §8.2.1). */
const NAME_OCTETS: Uint8Array = new Uint8Array(256);
for (const c of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz") NAME_OCTETS[c.charCodeAt(0)] = 1;

/** Fields of the connection, which HTTP/2 forbids (RFC 9113 §8.2.2). `te` is judged by its value. */
const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

export function nameProblem(name: string): string | undefined {
  const pseudo = name.charCodeAt(0) === 0x3a ? 1 : 0;
  if (name.length === pseudo) return "empty field name";
  for (let i = pseudo; i < name.length; i++) {
    const c = name.charCodeAt(i);
    if (c > 0xff || NAME_OCTETS[c] === 0) return "field name with a forbidden character";
  }
  if (CONNECTION_FIELDS.has(name)) return "connection-specific field";
  return undefined;
}

/**
 * Outer white space is let through, although RFC 9113 §8.2.1 forbids it: gRPC's percent-encoding leaves spaces as they are,
 * so a status message that ends in one comes like that from grpc-go, and its stream must not be reset for it.
 */
export function valueProblem(value: string): string | undefined {
  for (let i = 0; i < value.length; i++) {
    const c = value.charCodeAt(i);
    if (c > 0xff || (c <= 0x0d && (c === 0x0d || c === 0x0a || c === 0)))
      return "field value with a forbidden character";
  }
  return undefined;
}

/** The whole field: name, value, and `te`, which may only be "trailers". */
export function fieldProblem(name: string, value: string): string | undefined {
  return nameProblem(name) ?? valueProblemOf(name, value);
}

/** The value of a name that is fine itself. */
export function valueProblemOf(name: string, value: string): string | undefined {
  if (name === "te" && value !== "trailers") return "te other than trailers";
  return valueProblem(value);
}
