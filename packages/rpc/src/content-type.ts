/** The bodies that we read and write: length-prefixed protobuf (discovery-wire: `application/grpc` and `application/grpc+proto`). */
export type ContentType = "application/grpc" | "application/grpc+proto";

/**
 * Undefined for anything else; a server answers that with HTTP 415 (PROTOCOL-HTTP2.md: "If Content-Type does not begin
 * with application/grpc, gRPC servers SHOULD respond with HTTP status of 415"). Parameters (`;charset=utf-8`) are ignored.
 */
export function parseContentType(value: string | undefined): ContentType | undefined {
  if (value === undefined) return undefined;
  if (value === "application/grpc" || value === "application/grpc+proto") return value;
  const end = value.indexOf(";");
  const type = (end < 0 ? value : value.slice(0, end)).trim().toLowerCase();
  return type === "application/grpc" || type === "application/grpc+proto" ? type : undefined;
}
