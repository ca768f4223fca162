import type { Runtime } from "@dubhe/concurrency";
import type { ClientTls, ClientTlsOptions } from "@dubhe/http2";
import { type EndpointTarget, tlsIdentity } from "@dubhe/rpc";
import {
  type CertificateFiles,
  checkAuthorities,
  checkCertificateFiles,
  checkRenewed,
  hasFiles,
  isSameContent,
  type Loaded,
  loadFiles,
} from "./certificate-files.js";
import { keysOf, rejectUnknownKeys } from "./option-keys.js";

/**
 * TLS of a client, as node:tls takes it; ALPN is ours. Files are read for each new connection, so that a renewed
 * certificate needs no restart; what is unusable is reported, and the last good one kept.
 */
export type TlsOptions = ClientTlsOptions &
  CertificateFiles & {
    /** SNI, and the name the certificate must be for. Default: the host. */
    readonly servername?: string;
  };

const tlsKeys = keysOf<TlsOptions>({
  ca: 1,
  caFile: 1,
  cert: 1,
  certFile: 1,
  checkServerIdentity: 1,
  ciphers: 1,
  crl: 1,
  key: 1,
  keyFile: 1,
  maxVersion: 1,
  minVersion: 1,
  passphrase: 1,
  pfx: 1,
  rejectUnauthorized: 1,
  secureContext: 1,
  servername: 1,
});

/** Throws a TypeError that names what is wrong. */
export function checkClientTls(options: object): void {
  rejectUnknownKeys("tls", options, tlsKeys);
  checkCertificateFiles("tls", options);
}

/** Makes of equal options the same TLS identity, so that their clients share connections. One an App. */
export class ClientTlsSources {
  readonly #runtime: Runtime;
  readonly #sources = new Map<string, ClientTls>();

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** Throws a TypeError for options that make no sense. */
  target(options: TlsOptions): Pick<EndpointTarget, "tls" | "servername"> {
    checkClientTls(options);
    const { servername, ...tls } = options;
    return { tls: this.#source(tls), ...(servername === undefined ? undefined : { servername }) };
  }

  #source(tls: ClientTlsOptions & CertificateFiles): ClientTls {
    if (!hasFiles(tls)) return tls;
    const key = tlsIdentity(tls);
    let source = this.#sources.get(key);
    if (source === undefined) {
      source = this.#reading(tls);
      this.#sources.set(key, source);
    }
    return source;
  }

  #reading(tls: ClientTlsOptions & CertificateFiles): () => ClientTlsOptions {
    const { clock } = this.#runtime;
    let good: Loaded<typeof tls> | undefined;
    let problem: string | undefined;
    return () => {
      try {
        const loaded = loadFiles(tls);
        if (good === undefined || !isSameContent(good, loaded)) {
          checkAuthorities(tls, loaded);
          checkRenewed(loaded, good === undefined ? Number.NEGATIVE_INFINITY : clock.wallTime());
          good = loaded;
        }
        problem = undefined;
      } catch (error) {
        if (good === undefined) throw error;
        // Told once, not for each connection.
        const { message } = error as Error;
        if (message !== problem) this.#runtime.report(error, "renewed certificate of a client; the one before is used");
        problem = message;
      }
      return good;
    };
  }
}
