// A throw-away certificate for localhost and 127.0.0.1.
import { execFileSync } from "node:child_process";
import { join } from "node:path";

/** Makes `cert.pem` and `key.pem` in `folder` (ECDSA P-256, self-signed, two days). Needs the openssl command. */
export function makeCertificate(folder) {
  const files = { cert: join(folder, "cert.pem"), key: join(folder, "key.pem") };
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", files.key];
  execFileSync("openssl", ["req", "-x509", ...key, "-out", files.cert, "-days", "2", ...subject], { stdio: "pipe" });
  return files;
}
