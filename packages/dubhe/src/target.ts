import { didYouMean } from "@dubhe/discovery";
import type { ClientTlsOptions } from "@dubhe/http2";
import type { EndpointTarget } from "@dubhe/rpc";

/** TLS of a client, as node:tls takes it; ALPN is ours. */
export type TlsOptions = ClientTlsOptions & {
  /** SNI, and the name the certificate must be for. Default: the host. */
  readonly servername?: string;
};

const schemes = ["tri", "http", "https", "unix"] as const;

/**
 * `tri://host:port` (or `http://`): HTTP/2 in plain text. `https://host:port`: over TLS. `unix:/path/of.sock`: a Unix
 * socket. With `tls` given, `tri://` is over TLS too. Throws a TypeError that says what to write.
 */
export function parseTarget(target: string | URL, tls?: TlsOptions): EndpointTarget {
  const text = String(target);
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined || !(schemes as readonly string[]).includes(scheme)) {
    const hint =
      scheme === undefined || /^[^:]*:\d+/.test(text) ? ` Did you mean "tri://${text}"?` : didYouMean(scheme, schemes);
    throw new TypeError(`"${text}" is no target; write tri://host:port, https://host:port or unix:/path.${hint}`);
  }
  if (scheme === "unix") {
    const path = text.slice("unix:".length).replace(/^\/\/(?=\/)/, "");
    if (path === "") throw new TypeError(`"${text}" has no path; write unix:/path/of.sock.`);
    return { path, ...secured(tls) };
  }
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
  return { host, port: port ?? 80, ...secured(tls ?? (scheme === "https" ? {} : undefined)) };
}

function secured(options: TlsOptions | undefined): Pick<EndpointTarget, "tls" | "servername"> | undefined {
  if (options === undefined) return undefined;
  const { servername, ...tls } = options;
  return { tls, ...(servername === undefined ? undefined : { servername }) };
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
