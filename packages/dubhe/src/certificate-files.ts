import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { checkTlsMaterial, summarizeCertificate } from "@dubhe/http2";

/** Paths of PEM files, instead of `cert`, `key` and `ca`. They are read again when they may have changed. */
export interface CertificateFiles {
  /** The certificate, and the intermediate ones behind it. */
  readonly certFile?: string;
  readonly keyFile?: string;
  /** The authorities that the peer's certificate is checked against. */
  readonly caFile?: string;
}

const fields = { certFile: "cert", keyFile: "key", caFile: "ca" } as const;
const names = Object.keys(fields) as (keyof typeof fields)[];

export function hasFiles(options: CertificateFiles): boolean {
  return names.some((name) => options[name] !== undefined);
}

/** Throws a TypeError when a file is named beside what it should hold, or a certificate without its key. */
export function checkCertificateFiles(
  what: string,
  options: CertificateFiles & Partial<Record<"cert" | "key" | "ca", unknown>>,
): void {
  for (const name of names) {
    const value: unknown = options[name];
    if (value === undefined) continue;
    if (typeof value !== "string" || value === "") throw new TypeError(`${name} of ${what} is the path of a PEM file`);
    if (options[fields[name]] !== undefined) throw new TypeError(`${what} takes ${name} or ${fields[name]}, not both`);
  }
  const { certFile, keyFile, cert, key } = options;
  const hasCert = certFile !== undefined || cert !== undefined;
  if (hasCert === (keyFile !== undefined || key !== undefined)) return;
  const [has, lacks] = hasCert ? (["cert", "key"] as const) : (["key", "cert"] as const);
  const ending = options[has] === undefined ? "File" : "";
  throw new TypeError(`${what} takes ${has}${ending} only together with ${lacks}${ending}`);
}

export type Loaded<T extends CertificateFiles> = Omit<T, keyof CertificateFiles> & {
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly ca?: Buffer;
};

/**
 * `options` with the files' content. Synchronous on purpose: it is a few KiB once per connection or every ten seconds, and
 * a pair that was read in one turn is rarely torn. Throws an Error that names the file.
 */
export function loadFiles<T extends CertificateFiles>(options: T): Loaded<T> {
  const { certFile, keyFile, caFile, ...rest } = options;
  const loaded: { cert?: Buffer; key?: Buffer; ca?: Buffer } = {};
  for (const name of names) {
    const path = options[name];
    if (path === undefined) continue;
    try {
      loaded[fields[name]] = readFileSync(path);
    } catch (error) {
      throw new Error(`cannot read ${path} (${name} of tls): ${(error as Error).message}`, { cause: error });
    }
  }
  return { ...rest, ...loaded };
}

/**
 * Throws an Error that names the file when the authorities in it are not whole. node:tls leaves out what it cannot read of
 * `ca`, without a word, and trusts nobody by it.
 */
export function checkAuthorities({ caFile }: CertificateFiles, { ca }: { readonly ca?: unknown }): void {
  if (caFile === undefined) return;
  const certificates = String(ca).match(/-----BEGIN [A-Z0-9 ]*CERTIFICATE-----[^-]*(?:-----END[^-]*-----)?/g) ?? [];
  if (certificates.length === 0) throw new Error(`${caFile} (caFile of tls) holds no certificate`);
  for (const certificate of certificates) {
    try {
      void new X509Certificate(certificate);
    } catch (error) {
      throw new Error(`${caFile} (caFile of tls) is not whole: ${(error as Error).message}`, { cause: error });
    }
  }
}

/** Whether two loads of the same files read the same. */
export function isSameContent(a: Partial<Record<"cert" | "key" | "ca", unknown>>, b: typeof a): boolean {
  return (["cert", "key", "ca"] as const).every((field) => {
    const [x, y] = [a[field], b[field]];
    return x === y || (Buffer.isBuffer(x) && Buffer.isBuffer(y) && x.equals(y));
  });
}

/** Throws when key and certificate do not go together, as when only one of the files is new, or the certificate is over. */
export function checkRenewed(loaded: Parameters<typeof checkTlsMaterial>[0], now: number): void {
  checkTlsMaterial(loaded);
  const certificate = summarizeCertificate(loaded.cert);
  if (certificate !== undefined && certificate.validTo.getTime() <= now) {
    throw new Error(`the certificate of ${certificate.subject} has expired on ${certificate.validTo.toISOString()}`);
  }
}
