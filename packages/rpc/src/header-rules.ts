/**
 * What may be sent as metadata. RFC 9113 §8.2.1 allows more in a value than gRPC does; the rules here are gRPC's
 * (PROTOCOL-HTTP2.md, "Custom-Metadata"), plus a tab.
 */

const validName = /^[0-9a-z_.!#$%&'*+^`|~-]+$/;
const validValue = /^[\t -~]*$/;

/**
 * Written by the protocol itself. `grpc-` and `:` are reserved as prefixes; hop-by-hop fields are not allowed in
 * HTTP/2 at all (RFC 9113 §8.2.2); service selection has options of its own.
 */
const reserved: ReadonlySet<string> = new Set([
  "accept-encoding",
  "connect-protocol-version",
  "connect-timeout-ms",
  "expect",
  "te",
  "trailer",
  "triple-protocol-version",
  "triple-timeout-ms",
  "content-type",
  "content-length",
  "content-encoding",
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
  "host",
  "user-agent",
  "tri-service-group",
  "tri-service-version",
  "tri-consumer-appname",
]);

export function isReservedHeader(lowerCaseName: string): boolean {
  return reserved.has(lowerCaseName) || lowerCaseName.startsWith("grpc-") || lowerCaseName.startsWith(":");
}

/** Folds to lower case and checks; throws a TypeError that says what is wrong. */
export function headerName(name: string): string {
  const lower = name.toLowerCase();
  if (!validName.test(lower)) throw new TypeError(`invalid header name ${JSON.stringify(name)}`);
  return lower;
}

/** Trims and checks the value of a text header; throws a TypeError that says what is wrong. */
export function headerValue(name: string, value: string): string {
  const trimmed = value.trim();
  if (!validValue.test(trimmed)) {
    const at = trimmed.search(/[^\t -~]/);
    const code = (trimmed.codePointAt(at) as number).toString(16).toUpperCase().padStart(4, "0");
    throw new TypeError(
      `header ${name}: U+${code} at index ${at} is not allowed in a text header; use a name that ends in -bin with setBinary()`,
    );
  }
  return trimmed;
}
