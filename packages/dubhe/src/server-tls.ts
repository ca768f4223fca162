import type { Runtime, Timer } from "@dubhe/concurrency";
import {
  type CertificateSummary,
  type ServerTlsOptions,
  summarizeCertificate,
  type TlsCertificate,
} from "@dubhe/http2";
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

const defaultReloadMs = 10_000;

type SniFiles = TlsCertificate & Omit<CertificateFiles, "caFile">;

/** TLS of a server, as node:tls takes it; ALPN is ours. */
export interface ServerTls extends Omit<ServerTlsOptions, "sni">, CertificateFiles {
  /** Certificates by the name that the client asks for: `a.example`, or `*.b.example` for the names one label below. */
  readonly sni?: Readonly<Record<string, SniFiles>>;
  /** How often the files are read, in ms; 0 = only at the start and by `reloadTls`. Default 10 000. */
  readonly reloadMs?: number;
}

const tlsKeys = keysOf<ServerTls>({
  ca: 1,
  caFile: 1,
  cert: 1,
  certFile: 1,
  ciphers: 1,
  crl: 1,
  key: 1,
  keyFile: 1,
  maxVersion: 1,
  minVersion: 1,
  passphrase: 1,
  pfx: 1,
  rejectUnauthorized: 1,
  reloadMs: 1,
  requestCert: 1,
  sni: 1,
  SNICallback: 1,
});

const sniKeys = keysOf<SniFiles>({ cert: 1, certFile: 1, key: 1, keyFile: 1, passphrase: 1, pfx: 1 });

/** Throws a TypeError that names what is wrong. */
export function checkServerTls(tls: ServerTls): void {
  if (typeof tls !== "object" || tls === null)
    throw new TypeError("tls of createServer takes options: { certFile, keyFile }");
  rejectUnknownKeys("tls of createServer", tls, tlsKeys);
  checkCertificateFiles("tls", tls);
  const { sni = {} } = tls;
  for (const [name, certificate] of Object.entries(sni)) {
    const what = `tls.sni["${name}"]`;
    rejectUnknownKeys(what, certificate, sniKeys);
    checkCertificateFiles(what, certificate);
    if (!hasCertificate(certificate)) throw new TypeError(`${what} needs certFile and keyFile`);
  }
  const { reloadMs } = tls;
  if (reloadMs !== undefined && !(reloadMs >= 0 && reloadMs <= 2 ** 31 - 1))
    throw new TypeError(`reloadMs of tls is a number of milliseconds, not ${reloadMs}`);
  // Of an empty `ca` node:tls makes the public authorities.
  const ca = tls.caFile !== undefined ? "caFile" : tls.ca ? "ca" : undefined;
  if (tls.requestCert === true && tls.rejectUnauthorized !== false && ca === undefined)
    throw new TypeError(
      "requestCert of tls needs caFile (or ca): the authorities that client certificates are signed by",
    );
  if (ca !== undefined && tls.requestCert === undefined)
    throw new TypeError(
      `${ca} of tls is for the certificates of clients, which are asked for by requestCert: true alone (false: they are not)`,
    );
  if (!hasCertificate(tls) && Object.keys(sni).length === 0 && tls.SNICallback === undefined)
    throw new TypeError("tls of createServer needs certFile and keyFile");
}

function hasCertificate({ certFile, cert, pfx }: SniFiles): boolean {
  return certFile !== undefined || cert !== undefined || pfx !== undefined;
}

export interface ServerTlsInspection {
  /** Unix ms of when the certificate in use was read. */
  readonly loadedAt: number;
  readonly certificate: (Omit<CertificateSummary, "validTo"> & { readonly validTo: string }) | null;
  /** Why the newest files are not in use. */
  readonly problem: string | null;
}

type LoadedServerTls = Loaded<Omit<ServerTls, "reloadMs" | "sni">> & {
  readonly sni?: Readonly<Record<string, TlsCertificate>>;
};

/**
 * The certificates of a server, and their renewal. Files are polled, since what replaces them (a symlink that Kubernetes
 * swaps, a rename, an editor) differs and fs.watch sees it or not by platform and file system.
 *
 *     good ⇄ good with a problem: the newest files cannot be used, those before still are
 */
export class ServerCertificates {
  readonly #runtime: Runtime;
  #options: ServerTls;
  #inUse: LoadedServerTls;
  #loadedAt: number;
  #problem: string | undefined;
  #apply: ((tls: ServerTlsOptions) => void) | undefined;
  #timer: Timer | undefined;

  /** Reads the files. Throws an Error that names the one that cannot be read. */
  constructor(runtime: Runtime, options: ServerTls) {
    this.#runtime = runtime;
    this.#options = options;
    this.#inUse = load(options);
    this.#loadedAt = runtime.clock.wallTime();
  }

  get current(): ServerTlsOptions {
    return this.#inUse;
  }

  /** From now on renewed certificates are given to `apply`, which throws when it cannot use them. */
  start(apply: (tls: ServerTlsOptions) => void): void {
    this.#apply = apply;
    this.#schedule();
  }

  /** Now, and from other options if they are given. Throws, and keeps what is in use, when that is not possible. */
  reload(options: ServerTls = this.#options): void {
    this.#use(load(options));
    this.#options = options;
    this.#schedule();
  }

  inspect(): ServerTlsInspection {
    const certificate = summarizeCertificate(this.#inUse.cert);
    return {
      loadedAt: this.#loadedAt,
      certificate: certificate === undefined ? null : { ...certificate, validTo: certificate.validTo.toISOString() },
      problem: this.#problem ?? null,
    };
  }

  close(): void {
    this.#timer?.cancel();
    this.#apply = undefined;
  }

  #schedule(): void {
    this.#timer?.cancel();
    const { reloadMs = defaultReloadMs } = this.#options;
    if (this.#apply === undefined || reloadMs === 0 || !namesFiles(this.#options)) return;
    this.#timer = this.#runtime.clock.setTimeout(() => this.#poll(), reloadMs);
  }

  #poll(): void {
    try {
      const loaded = load(this.#options);
      if (!isSame(loaded, this.#inUse)) {
        const now = this.#runtime.clock.wallTime();
        checkRenewed(loaded, now);
        for (const certificate of Object.values(loaded.sni ?? {})) checkRenewed(certificate, now);
        this.#use(loaded);
      }
      this.#problem = undefined;
    } catch (error) {
      // Half-written now, whole at the next look: told once.
      const problem = (error as Error).message;
      if (problem !== this.#problem)
        this.#runtime.report(error, "renewed certificate of a server; the one before stays in use");
      this.#problem = problem;
    }
    this.#schedule();
  }

  #use(loaded: LoadedServerTls): void {
    this.#apply?.(loaded);
    this.#inUse = loaded;
    this.#loadedAt = this.#runtime.clock.wallTime();
    this.#problem = undefined;
  }
}

function namesFiles({ sni = {}, ...tls }: ServerTls): boolean {
  return hasFiles(tls) || Object.values(sni).some(hasFiles);
}

function load({ reloadMs, sni, ...tls }: ServerTls): LoadedServerTls {
  const loaded = loadFiles(tls);
  checkAuthorities(tls, loaded);
  if (sni === undefined) return loaded;
  return { ...loaded, sni: Object.fromEntries(Object.entries(sni).map(([name, files]) => [name, loadFiles(files)])) };
}

function isSame(a: LoadedServerTls, b: LoadedServerTls): boolean {
  return (
    isSameContent(a, b) && Object.entries(a.sni ?? {}).every(([name, one]) => isSameContent(one, b.sni?.[name] ?? {}))
  );
}
