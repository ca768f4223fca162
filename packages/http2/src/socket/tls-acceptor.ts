import type { Socket } from "node:net";
import {
  createSecureContext,
  createServer,
  type SecureContext,
  type SecureContextOptions,
  type Server,
  type TLSSocket,
  type TlsOptions,
} from "node:tls";
import { tlsDefaults } from "./tls-defaults.js";

/** A certificate with its key. */
export type TlsCertificate = Pick<SecureContextOptions, "cert" | "key" | "passphrase" | "pfx">;

/** TLS of a server, as node:tls takes it. ALPN is the engine's; at least TLS 1.2, and no cipher that RFC 9113 forbids. */
export interface ServerTlsOptions
  extends TlsCertificate,
    Pick<
      TlsOptions,
      "ca" | "crl" | "requestCert" | "rejectUnauthorized" | "minVersion" | "maxVersion" | "ciphers" | "SNICallback"
    > {
  /**
   * Certificates by the name that the client asks for: `a.example`, or `*.b.example` for the names one label below. Other
   * names, and clients that name none, get `cert` and `key`.
   */
  readonly sni?: Readonly<Record<string, TlsCertificate>>;
}

/** What node:tls takes once. */
const FIXED = ["requestCert", "rejectUnauthorized", "SNICallback"] as const;

/** What becomes of a handshake: one of the two, once. */
export interface TlsAcceptorOwner {
  secured(socket: TLSSocket): void;
  /** `reason`: an OpenSSL or system code, such as `CERT_HAS_EXPIRED`. */
  failed(socket: TLSSocket, reason: string): void;
}

/** The handshake of accepted sockets. A tls.Server that listens nowhere does it. */
export class TlsAcceptor {
  private readonly server: Server;
  private names: ReadonlyMap<string, SecureContext>;
  private readonly fixed: Pick<ServerTlsOptions, (typeof FIXED)[number]>;

  constructor(tls: ServerTlsOptions, alpn: string[], handshakeTimeoutMs: number, owner: TlsAcceptorOwner) {
    const { sni, ...rest } = tls;
    const { requestCert, rejectUnauthorized, SNICallback } = tls;
    this.fixed = { requestCert, rejectUnauthorized, SNICallback };
    this.names = contextsOf(tls);
    const options = {
      ...tlsDefaults,
      ...rest,
      SNICallback: SNICallback ?? this.byName,
      ALPNProtocols: alpn,
      handshakeTimeout: handshakeTimeoutMs,
    };
    this.server = createServer(options, (socket) => {
      // RFC 9113 §9.2.1.
      socket.disableRenegotiation();
      owner.secured(socket);
    });
    this.server.on("tlsClientError", (error: NodeJS.ErrnoException, socket) => {
      // A certificate that is not accepted shows as a reset, with the reason here.
      const rejected = socket.authorizationError as unknown;
      owner.failed(socket, typeof rejected === "string" ? rejected : (error.code ?? error.message));
    });
  }

  accept(raw: Socket): void {
    this.server.emit("connection", raw);
  }

  /** For handshakes from now on. Throws, and leaves everything as it was, when it cannot be used. */
  replace(tls: ServerTlsOptions): void {
    // Who forgets `requestCert` here mostly forgets `ca` too, and OpenSSL would take any certificate of a public authority.
    for (const name of FIXED)
      if (tls[name] !== this.fixed[name])
        throw new TypeError(`${name} of tls cannot change while the server runs: give it as it was at the start`);
    const names = contextsOf(tls);
    this.server.setSecureContext({ ...tlsDefaults, ...tls });
    this.names = names;
  }

  private readonly byName = (
    servername: string,
    callback: (error: Error | null, context: SecureContext | undefined) => void,
  ): void => {
    const name = servername.toLowerCase();
    callback(null, this.names.get(name) ?? this.names.get(name.replace(/^[^.]*/, "*")));
  };
}

/** They differ in the certificate alone. */
function contextsOf({ sni = {}, ...tls }: ServerTlsOptions): ReadonlyMap<string, SecureContext> {
  const contexts = new Map<string, SecureContext>();
  for (const [name, certificate] of Object.entries(sni)) {
    const { cert, key, passphrase, pfx, ...common } = tls;
    try {
      contexts.set(name.toLowerCase(), createSecureContext({ ...tlsDefaults, ...common, ...certificate }));
    } catch (error) {
      throw new Error(`the certificate for ${name}: ${(error as Error).message}`, { cause: error });
    }
  }
  return contexts;
}
