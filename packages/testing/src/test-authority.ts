import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { isIPv4 } from "node:net";

/** A certificate with its key, in PEM, as node:tls takes them. */
export interface IssuedCertificate {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateRequest {
  /** The common name. Host names are looked for in `altNames` alone. */
  readonly name: string;
  /** `DNS:a.example`, `IP:127.0.0.1`, `URI:spiffe://example.org/shop`. Default: localhost and 127.0.0.1. */
  readonly altNames?: readonly string[];
  /** `YYYYMMDDhhmmssZ`. Default: from 2020 to 2119. */
  readonly notBefore?: string;
  readonly notAfter?: string;
}

/**
 * A certificate authority of one test, made in a millisecond, without a file and without openssl: P-256 keys, X.509 v3
 * (RFC 5280). Clients pass its `cert` as `ca`.
 */
export class TestAuthority {
  readonly cert: string;
  readonly #name: string;
  readonly #key: KeyObject;

  constructor(name: string = "Test Authority") {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    this.#name = name;
    this.#key = privateKey;
    this.cert = this.#sign({ name, altNames: [] }, publicKey, true);
  }

  issue(request: CertificateRequest): IssuedCertificate {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    return {
      cert: this.#sign(request, publicKey, false),
      key: privateKey.export({ type: "pkcs8", format: "pem" }) as string,
    };
  }

  #sign(request: CertificateRequest, publicKey: KeyObject, isAuthority: boolean): string {
    const spki = publicKey.export({ type: "spki", format: "der" });
    const { name, notBefore = "20200101000000Z", notAfter = "21190101000000Z" } = request;
    const altNames = request.altNames ?? ["DNS:localhost", "IP:127.0.0.1"];
    const extensions = [extension("2.5.29.19", true, isAuthority ? sequence(TRUE) : sequence())];
    if (altNames.length > 0) extensions.push(extension("2.5.29.17", false, sequence(...altNames.map(generalName))));
    const body = sequence(
      der(0xa0, integer([2])),
      integer([0x01, ...createHash("sha256").update(spki).digest().subarray(0, 15)]),
      ECDSA_WITH_SHA256,
      distinguishedName(this.#name),
      sequence(der(0x18, Buffer.from(notBefore)), der(0x18, Buffer.from(notAfter))),
      distinguishedName(name),
      spki,
      der(0xa3, sequence(...extensions)),
    );
    const signature = sign("sha256", body, this.#key);
    const certificate = sequence(body, ECDSA_WITH_SHA256, der(0x03, Buffer.from([0]), signature));
    const lines = certificate.toString("base64").match(/.{1,64}/g) ?? [];
    return ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n");
  }
}

// DER (ITU-T X.690): tag, length, content.

function der(tag: number, ...content: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(content);
  const { length } = body;
  const header = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...header]), body]);
}

function sequence(...content: readonly Uint8Array[]): Buffer {
  return der(0x30, ...content);
}

function integer(bytes: readonly number[]): Buffer {
  return der(0x02, Buffer.from(bytes));
}

const TRUE = Buffer.from([0x01, 0x01, 0xff]);

function objectId(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes = [first * 40 + second];
  for (let arc of rest) {
    const septets = [arc & 0x7f];
    while ((arc >>= 7) > 0) septets.unshift((arc & 0x7f) | 0x80);
    bytes.push(...septets);
  }
  return der(0x06, Buffer.from(bytes));
}

const ECDSA_WITH_SHA256 = sequence(objectId("1.2.840.10045.4.3.2"));

function distinguishedName(commonName: string): Buffer {
  return sequence(der(0x31, sequence(objectId("2.5.4.3"), der(0x0c, Buffer.from(commonName)))));
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  return sequence(objectId(id), ...(critical ? [TRUE] : []), der(0x04, value));
}

function generalName(text: string): Buffer {
  const colon = text.indexOf(":");
  const [kind, value] = [text.slice(0, colon), text.slice(colon + 1)];
  if (kind === "DNS") return der(0x82, Buffer.from(value));
  if (kind === "URI") return der(0x86, Buffer.from(value));
  if (kind === "IP" && isIPv4(value)) return der(0x87, Buffer.from(value.split(".").map(Number)));
  throw new TypeError(`no alternative name: ${text}`);
}
