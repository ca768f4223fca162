import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { ConnectionTls, PeerCertificate } from "../types.js";

/** What is known of a socket's two ends. Made when it is first asked for, and then kept beyond the socket's end. */
export class SocketFacts {
  private readonly socket: Socket;
  private local: string | undefined = undefined;
  private remote: string | undefined = undefined;
  private tlsFacts: ConnectionTls | undefined = undefined;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  /** `host:port`; undefined on a Unix socket, and before it is connected. */
  get localAddress(): string | undefined {
    return (this.local ??= addressOf(this.socket.localAddress, this.socket.localPort));
  }

  get remoteAddress(): string | undefined {
    return (this.remote ??= addressOf(this.socket.remoteAddress, this.socket.remotePort));
  }

  get secure(): boolean {
    return this.socket instanceof TLSSocket;
  }

  /** Undefined before the handshake, and when the socket has ended before anybody asked. */
  get tls(): ConnectionTls | undefined {
    if (this.tlsFacts === undefined && this.socket instanceof TLSSocket) this.tlsFacts = tlsOf(this.socket);
    return this.tlsFacts;
  }
}

function addressOf(address: string | undefined, port: number | undefined): string | undefined {
  if (address === undefined) return undefined;
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

function tlsOf(socket: TLSSocket): ConnectionTls | undefined {
  const protocol = socket.getProtocol();
  if (protocol === null) return undefined;
  const { authorized, authorizationError } = socket;
  // The client's is what it asked for, the server's what it was asked for; node says false for none.
  const servername = (socket as { servername?: string | false | null }).servername;
  return {
    protocol,
    cipher: socket.getCipher().standardName,
    servername: typeof servername === "string" ? servername : undefined,
    authorized,
    // An error on the client, its code on a server; null and undefined for none.
    authorizationError: authorized || authorizationError == null ? undefined : codeOf(authorizationError),
    certificate: certificateOf(socket),
  };
}

function codeOf(error: Error | string): string {
  return typeof error === "string" ? error : ((error as NodeJS.ErrnoException).code ?? error.message);
}

/** In a resumed session too: OpenSSL keeps the certificate in it. */
function certificateOf(socket: TLSSocket): PeerCertificate | undefined {
  const x509 = socket.getPeerX509Certificate();
  if (x509 === undefined) return undefined;
  return {
    subject: x509.subject,
    issuer: x509.issuer,
    subjectAltNames: splitAltNames(x509.subjectAltName ?? ""),
    serialNumber: x509.serialNumber,
    fingerprint256: x509.fingerprint256,
    validTo: new Date(x509.validTo),
    raw: x509.raw,
  };
}

/**
 * `DNS:a.example, URI:spiffe://x/y`, as node writes it: a value that could be mistaken for more than one is a JSON string
 * (CVE-2021-44532), so a comma in quotes separates nothing.
 */
export function splitAltNames(text: string): readonly string[] {
  const names: string[] = [];
  for (const [, kind, value] of text.matchAll(/([^:,]+):("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)/g)) {
    names.push(`${kind}:${value!.startsWith('"') ? String(JSON.parse(value!)) : value}`);
  }
  return names;
}
