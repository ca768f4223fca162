import type { Runtime } from "@dubhe/concurrency";
import type { ClientTls, ClientTlsOptions } from "@dubhe/http2";
import { type EndpointTarget, tlsIdentity } from "@dubhe/rpc";
import {
  type CertificateFiles,
  checkCertificateFiles,
  checkRenewed,
  hasFiles,
  isSameContent,
  type Loaded,
  loadFiles,
} from "./certificate-files.js";

/**
 * TLS of a client, as node:tls takes it; ALPN is ours. Files are read for each new connection, so that a renewed
 * certificate needs no restart; what is unusable is reported, and the last good one kept.
 */
export type TlsOptions = ClientTlsOptions &
  CertificateFiles & {
    /** SNI, and the name the certificate must be for. Default: the host. */
    readonly servername?: string;
  };

/** Makes of equal options the same TLS identity, so that their clients share connections. One an App. */
export class ClientTlsSources {
  readonly #runtime: Runtime;
  readonly #sources = new Map<string, ClientTls>();

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** Throws a TypeError for options that make no sense. */
  target(options: TlsOptions): Pick<EndpointTarget, "tls" | "servername"> {
    checkCertificateFiles("tls", options);
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
    return () => {
      try {
        const loaded = loadFiles(tls);
        if (good === undefined || !isSameContent(good, loaded)) {
          checkRenewed(loaded, good === undefined ? Number.NEGATIVE_INFINITY : clock.wallTime());
          good = loaded;
        }
      } catch (error) {
        if (good === undefined) throw error;
        this.#runtime.report(error, "renewed certificate of a client; the one before is used");
      }
      return good;
    };
  }
}
