import type { IncomingMessage } from "node:http";
import type { FieldList } from "@dubhe/http2";

/** A request that is not served, with its HTTP status. The text is the body: people read it. */
export interface Http1Problem {
  readonly status: number;
  readonly text: string;
}

export interface Http1Request {
  /** As HTTP/2 has them: pseudo-headers first, nothing that concerns the connection only. */
  readonly fields: FieldList;
  readonly hasBody: boolean;
}

/** They concern the connection (RFC 9110 §7.6.1), or have become a pseudo-header. */
const dropped: ReadonlySet<string> = new Set([
  "connection",
  "expect",
  "host",
  "http2-settings",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Two of them would mean two things to two readers, which is what request smuggling lives on (RFC 9112 §11.2). */
const once: ReadonlySet<string> = new Set(["content-length", "content-type", "host", "transfer-encoding"]);

/**
 * The head of an HTTP/1.1 request as HTTP/2 would have it. Node's parser has refused most of what is malformed; this
 * is what must hold whatever version of it runs.
 */
export function readRequest(request: IncomingMessage, secure: boolean): Http1Request | Http1Problem {
  const { rawHeaders } = request;
  const seen = new Map<string, string>();
  const regular: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] as string).toLowerCase();
    const value = rawHeaders[i + 1] as string;
    if (hasControl(value)) return bad(`header ${name} holds a control character`);
    if (once.has(name) && seen.has(name)) return bad(`header ${name} is repeated`);
    seen.set(name, value);
    if (!dropped.has(name)) regular.push(name, value);
  }
  if (request.httpVersion === "1.1" && !seen.has("host")) return bad("header host is missing");
  const coding = seen.get("transfer-encoding");
  const length = seen.get("content-length");
  if (coding !== undefined) {
    if (length !== undefined) return bad("content-length and transfer-encoding exclude each other");
    if (request.httpVersion !== "1.1") return bad(`transfer-encoding does not exist in HTTP/${request.httpVersion}`);
    if (coding.trim().toLowerCase() !== "chunked")
      return { status: 501, text: "the only transfer-encoding is chunked" };
  }
  if (length !== undefined && !/^\d{1,15}$/.test(length)) return bad("malformed content-length");
  const target = readTarget(request.url ?? "");
  if (target === undefined) return bad("the request target must be a path");
  const authority = target.authority ?? seen.get("host") ?? "";
  return {
    fields: [
      ...[":method", request.method ?? "", ":scheme", secure ? "https" : "http"],
      ...[":authority", authority, ":path", target.path],
      ...regular,
    ],
    hasBody: coding !== undefined || (length !== undefined && Number(length) > 0),
  };
}

/** Origin form, or absolute form, which a server must take too (RFC 9112 §3.2). */
function readTarget(url: string): { readonly path: string; readonly authority: string | undefined } | undefined {
  if (url.startsWith("/")) return { path: url, authority: undefined };
  const match = /^https?:\/\/([^/?#@\s]+)([/?][^#\s]*)?$/i.exec(url);
  if (match === null) return undefined;
  const rest = match[2] ?? "/";
  return { path: rest.startsWith("/") ? rest : `/${rest}`, authority: match[1] };
}

function hasControl(value: string): boolean {
  for (let i = 0; i < value.length; i++) {
    const char = value.charCodeAt(i);
    if ((char < 0x20 && char !== 0x09) || char === 0x7f) return true;
  }
  return false;
}

function bad(text: string): Http1Problem {
  return { status: 400, text };
}
