import { ConnectionError, ErrorCode } from "../errors.js";

/** How far a client's connection had come when it failed. */
export type Progress = "connecting" | "handshaking" | "connected" | "spoken";

export interface FailureContext {
  readonly secure: boolean;
  readonly progress: Progress;
  /** Whether this client has a certificate to show. */
  readonly hasCertificate: boolean;
}

/**
 * OpenSSL and the kernel say what they saw; this says what is wrong and what to do. The codes are those of Node 20 to 24,
 * collected by causing them (`explain-failure.test.ts`).
 */
export function explainFailure(error: Error | undefined, context: FailureContext): Error | undefined {
  const message = context.secure ? explainTls(error, context) : explainClear(error, context);
  if (message === undefined) return error;
  return new ConnectionError(message, ErrorCode.CONNECT_ERROR, "transport", { cause: error });
}

/** Of what a server in clear text sends first, that which cannot be HTTP/2 (a SETTINGS frame). */
export function explainFirstBytes(chunk: Uint8Array): string | undefined {
  // A TLS record: alert (21), TLS 1.x.
  if (chunk[0] === 21 && chunk[1] === 3) return "the server speaks TLS on this port: connect with tls (https://)";
  const text = Buffer.from(chunk.buffer, chunk.byteOffset, Math.min(chunk.byteLength, 1_024)).toString("latin1");
  if (!text.startsWith("HTTP/1.")) return undefined;
  // net/http and nginx say so.
  return /\bHTTPS\b/.test(text)
    ? "the server speaks TLS on this port: connect with tls (https://)"
    : "the peer answers in HTTP/1: it does not take HTTP/2 in clear text on this port";
}

function explainClear(error: Error | undefined, { progress }: FailureContext): string | undefined {
  if (progress !== "connected") return undefined;
  return `the server closed the connection before it said anything${code(error)}: it may want TLS (https://) on this port, or take no more connections`;
}

/** What node adds to errors of TLS. */
interface TlsError {
  readonly code?: string;
  readonly reason?: string;
  readonly host?: string;
  readonly cert?: { readonly subjectaltname?: string };
}

function explainTls(error: Error | undefined, context: FailureContext): string | undefined {
  const { progress, hasCertificate } = context;
  if (progress === "connecting" || progress === "spoken") return undefined;
  const { code: fullName = "", reason, host, cert } = (error ?? {}) as TlsError;
  // OpenSSL 3.0 puts the alert's protocol version before it, 3.5 "SSL/TLS".
  const name = fullName.replace(/^ERR_SSL_[^_]+_ALERT_/, "ALERT_");
  if (name === "ERR_TLS_CERT_ALTNAME_INVALID")
    return `the server's certificate is for ${cert?.subjectaltname ?? "no name"}, not for ${host}: connect by a name that is in it, or give that as servername`;
  if (UNTRUSTED.has(name))
    return `the server's certificate is not signed by an authority that this client trusts (${error!.message.split(";")[0]}): give the authority's certificate as tls.ca, and see that the server sends its intermediate certificates`;
  if (name === "CERT_HAS_EXPIRED")
    return "the server's certificate has expired, or one that signed it: renew it, and see that the server has loaded the new one";
  if (name === "CERT_NOT_YET_VALID")
    return "the server's certificate is not valid yet: compare the clocks of the two machines";
  if (NO_TLS.has(name))
    return "the server does not speak TLS on this port: connect without tls (tri://), or to its TLS port";
  if (name === "ALERT_NO_APPLICATION_PROTOCOL") return NO_H2;
  if (name === "ALERT_PROTOCOL_VERSION" || name === "ERR_SSL_UNSUPPORTED_PROTOCOL")
    return "client and server have no TLS version in common: see minVersion and maxVersion of both";
  if (name === "ALERT_CERTIFICATE_REQUIRED") return WANTS_CERTIFICATE;
  if (CERTIFICATE_REFUSED.has(name))
    return `the server refused this client's certificate (${reason}): see that it is valid and signed by an authority that the server trusts`;
  if (name === "ALERT_HANDSHAKE_FAILURE")
    return `the server refused the TLS handshake: ${hasCertificate ? "they" : "it may want a client certificate (tls.cert and tls.key), or they"} have no cipher in common`;
  if (error === undefined || name === "ECONNRESET" || name === "EPIPE") {
    if (progress === "connected")
      return hasCertificate
        ? `the server closed the connection right after the TLS handshake${code(error)}: it may not trust this client's certificate`
        : `the server closed the connection right after the TLS handshake${code(error)}: it may want a client certificate (tls.cert and tls.key)`;
    return `the server closed the connection in the TLS handshake${code(error)}: it may not speak TLS on this port, or refuse this client`;
  }
  // Without OpenSSL's thread, file and line.
  return reason === undefined ? undefined : `TLS: ${reason} (${fullName})`;
}

export const NO_H2: string =
  "the server does not offer HTTP/2 by ALPN: it must have h2 in its list of protocols, and so must a proxy that ends TLS before it";

const WANTS_CERTIFICATE = "the server wants a client certificate: give tls.cert and tls.key";

const UNTRUSTED: ReadonlySet<string> = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);

const NO_TLS: ReadonlySet<string> = new Set([
  "ERR_SSL_WRONG_VERSION_NUMBER",
  "ERR_SSL_PACKET_LENGTH_TOO_LONG",
  "ERR_SSL_RECORD_LAYER_FAILURE",
  "ERR_SSL_UNEXPECTED_MESSAGE",
]);

const CERTIFICATE_REFUSED: ReadonlySet<string> = new Set([
  "ALERT_BAD_CERTIFICATE",
  "ALERT_CERTIFICATE_EXPIRED",
  "ALERT_CERTIFICATE_REVOKED",
  "ALERT_CERTIFICATE_UNKNOWN",
  "ALERT_UNSUPPORTED_CERTIFICATE",
  "ALERT_ACCESS_DENIED",
  "ALERT_DECRYPT_ERROR",
  "ALERT_UNKNOWN_CA",
]);

function code(error: Error | undefined): string {
  const name = (error as NodeJS.ErrnoException | undefined)?.code;
  return name === undefined ? "" : ` (${name})`;
}
