import { DEFAULT_CIPHERS } from "node:tls";

/**
 * RFC 9113 §9.2: TLS 1.2 or later, and of TLS 1.2 only suites with forward secrecy and authenticated encryption, which is
 * what appendix A leaves. TLS 1.3 has no others.
 */
const TLS12_SUITES = [
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
];
const TLS13_SUITES = DEFAULT_CIPHERS.split(":").filter((suite) => suite.startsWith("TLS_"));

export const tlsDefaults: { readonly minVersion: "TLSv1.2"; readonly ciphers: string } = {
  minVersion: "TLSv1.2",
  ciphers: [...TLS13_SUITES, ...TLS12_SUITES].join(":"),
};
