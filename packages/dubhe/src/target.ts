import { didYouMean } from "@dubhe/discovery";
import type { EndpointTarget } from "@dubhe/rpc";

/** TLS of a target, made by `ClientTlsSources`. */
export type TargetTls = Pick<EndpointTarget, "tls" | "servername">;

/** Verified by the system's certificates. */
const publicTls: TargetTls = { tls: {} };

const schemes = ["tri", "http", "https", "unix"] as const;

/**
 * `tri://host:port` (or `http://`): HTTP/2 in plain text. `https://host:port`: over TLS, as `httpsTls` says. `unix:path` or
 * `unix:///absolute/path`: a Unix socket. With `tls` given, all are over TLS. Throws a TypeError that says what to write.
 */
export function parseTarget(target: string | URL, tls?: TargetTls, httpsTls: TargetTls = publicTls): EndpointTarget {
  const text = String(target);
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined || !(schemes as readonly string[]).includes(scheme)) {
    const hint =
      scheme === undefined || /^[^:]*:\d+/.test(text) ? ` Did you mean "tri://${text}"?` : didYouMean(scheme, schemes);
    throw new TypeError(`"${text}" is no target; write tri://host:port, https://host:port or unix:/path.${hint}`);
  }
  if (scheme === "unix") return { path: unixPath(text), ...tls };
  // Node's URL knows hosts and ports only of the special schemes.
  const url = parse(text.replace(/^[^:]*:/, "http:"), text);
  if (url.username !== "" || url.password !== "")
    throw new TypeError(`"${url.host}": a target takes no user name; send credentials as headers.`);
  if ((url.pathname !== "" && url.pathname !== "/") || url.search !== "" || url.hash !== "") {
    throw new TypeError(`"${text}" must end after the port; options of a client go into its second argument.`);
  }
  const port = url.port === "" ? (scheme === "https" ? 443 : scheme === "http" ? 80 : undefined) : Number(url.port);
  if (port === undefined || port === 0) {
    if (!/:80$/.test(text)) throw new TypeError(`"${text}" has no port; write tri://${url.hostname}:50051.`);
  }
  const host = url.hostname.replace(/^\[|\]$/g, "");
  return { host, port: port ?? 80, ...(tls ?? (scheme === "https" ? httpsTls : undefined)) };
}

/** gRPC's name syntax (naming.md): `unix:path`, `unix:/path`, `unix:///path`. */
export function unixPath(text: string): string {
  const path = text.slice("unix:".length).replace(/^\/\/(?=\/)/, "");
  if (path === "") throw new TypeError(`"${text}" has no path; write unix:/path/of.sock.`);
  if (path.startsWith("//"))
    throw new TypeError(
      `"${text}" has a host; write unix:${path.slice(1)}, or unix:${path.slice(2)} for a relative path.`,
    );
  return path;
}

function parse(text: string, original: string): URL {
  try {
    return new URL(text);
  } catch {
    throw new TypeError(
      `"${original}" is no target; write tri://host:port, for example tri://127.0.0.1:50051 or tri://[::1]:50051.`,
    );
  }
}
