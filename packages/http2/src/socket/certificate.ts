import { X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContextOptions } from "node:tls";
import { tlsDefaults } from "./tls-defaults.js";

/** Throws when OpenSSL cannot use it, as when key and certificate do not go together. */
export function checkTlsMaterial(
  material: Pick<SecureContextOptions, "ca" | "cert" | "key" | "passphrase" | "pfx">,
): void {
  createSecureContext({ ...tlsDefaults, ...material });
}

export interface CertificateSummary {
  readonly subject: string;
  /** `DNS:a.example, IP Address:10.0.0.1`. */
  readonly names: string;
  readonly validTo: Date;
  readonly fingerprint256: string;
}

/** Of the first certificate, PEM or DER; undefined when there is none. */
export function summarizeCertificate(cert: SecureContextOptions["cert"]): CertificateSummary | undefined {
  const first = Array.isArray(cert) ? cert[0] : cert;
  if (first === undefined) return undefined;
  const { subject, subjectAltName = "", validTo, fingerprint256 } = new X509Certificate(first);
  return { subject, names: subjectAltName, validTo: new Date(validTo), fingerprint256 };
}
