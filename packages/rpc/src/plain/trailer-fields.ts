import type { FieldList } from "@dubhe/http2";

/**
 * Trailers of a plain unary call travel among its response headers, as `trailer-<name>` (connectrpc.com/docs/protocol,
 * "Unary-Response"): HTTP's own trailers are lost in too many places.
 */
const prefix = "trailer-";

export function withTrailerPrefix(fields: FieldList): string[] {
  return fields.map((text, index) => (index % 2 === 0 ? prefix + text : text));
}

/** Apart: the headers, and the trailers without their prefix. */
export function splitTrailers(fields: FieldList): { readonly headers: FieldList; readonly trailers: FieldList } {
  const headers: string[] = [];
  const trailers: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    const value = fields[i + 1] as string;
    if (name.startsWith(prefix)) trailers.push(name.slice(prefix.length), value);
    else headers.push(name, value);
  }
  return { headers, trailers };
}
