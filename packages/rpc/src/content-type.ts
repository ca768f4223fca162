import type { Serialization } from "./serialization.js";

/**
 * How messages lie in a body: `grpc` = each behind a five-byte prefix (PROTOCOL-HTTP2.md, "Length-Prefixed-Message"), `plain` =
 * the body is the message, for unary calls (Triple without gRPC's framing; Connect's unary protocol).
 */
export type Framing = "grpc" | "plain";

/** A body that we read and write (discovery-wire §8.1). */
export interface BodyType {
  /** As it is answered. */
  readonly contentType: string;
  readonly framing: Framing;
  readonly serialization: Serialization;
}

export const bodyTypes: readonly BodyType[] = [
  { contentType: "application/grpc", framing: "grpc", serialization: "proto" },
  { contentType: "application/grpc+proto", framing: "grpc", serialization: "proto" },
  { contentType: "application/grpc+json", framing: "grpc", serialization: "json" },
  { contentType: "application/proto", framing: "plain", serialization: "proto" },
  { contentType: "application/json", framing: "plain", serialization: "json" },
];

const byName: ReadonlyMap<string, BodyType> = new Map(bodyTypes.map((type) => [type.contentType, type]));

/** The bodies of a method that streams, and of one that does not: for `accept-post`. */
export const streamBodies: string = bodyTypes
  .filter((type) => type.framing === "grpc")
  .map((type) => type.contentType)
  .join(", ");
export const unaryBodies: string = bodyTypes.map((type) => type.contentType).join(", ");

export function bodyType(framing: Framing, serialization: Serialization): BodyType {
  return bodyTypes.find((type) => type.framing === framing && type.serialization === serialization) as BodyType;
}

/**
 * Undefined for anything else; a server answers that with HTTP 415 (PROTOCOL-HTTP2.md: "If Content-Type does not begin
 * with application/grpc, gRPC servers SHOULD respond with HTTP status of 415"). Parameters are ignored, but JSON is UTF-8
 * (RFC 8259 §8.1) and nothing else.
 */
export function parseContentType(value: string | undefined): BodyType | undefined {
  if (value === undefined) return undefined;
  const exact = byName.get(value);
  if (exact !== undefined) return exact;
  const end = value.indexOf(";");
  const type = byName.get((end < 0 ? value : value.slice(0, end)).trim().toLowerCase());
  if (type?.serialization === "json" && end >= 0) {
    const charset = /;\s*charset\s*=\s*"?([^\s;"]*)/i.exec(value.slice(end))?.[1];
    if (charset !== undefined && charset.toLowerCase() !== "utf-8") return undefined;
  }
  return type;
}
