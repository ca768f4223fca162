import { createHash, type Hash } from "node:crypto";
import type { ClientTls, ConnectTarget } from "@dubhe/http2";

/** Where to connect, and as whom. With `tls`, two targets share connections only when all of it is equal. */
export interface EndpointTarget extends ConnectTarget {
  /** The `:authority` of requests; default `host:port`, or `localhost` on a Unix socket. */
  readonly authority?: string;
}

/** `host:port`, an IPv6 address in brackets; for a Unix socket its path. */
export function addressOf(target: EndpointTarget): string {
  if (target.path !== undefined) return target.path;
  const host = target.host ?? "localhost";
  return `${host.includes(":") ? `[${host}]` : host}:${target.port ?? 0}`;
}

export function authorityOf(target: EndpointTarget): string {
  return target.authority ?? (target.path === undefined ? addressOf(target) : "localhost");
}

/** What connections are shared by: the address, the authority, and the TLS identity. Holds no secret. */
export function endpointKey(target: EndpointTarget): string {
  const address = addressOf(target);
  if (target.tls === undefined) {
    return target.authority === undefined ? `h2c://${address}` : `h2c://${address}#${target.authority}`;
  }
  const name = target.servername === undefined ? "" : `@${target.servername}`;
  return `h2+${tlsIdentity(target.tls)}${name}://${address}#${authorityOf(target)}`;
}

const identities = new WeakMap<ClientTls, string>();

/**
 * A digest of all that distinguishes one TLS client from another, its keys included, so that it can be shown. Functions
 * and secure contexts, which have no content to compare, are equal only to themselves.
 */
export function tlsIdentity(tls: ClientTls): string {
  let identity = identities.get(tls);
  if (identity === undefined) {
    const hash = createHash("sha256");
    hashValue(hash, tls);
    identity = hash.digest("hex").slice(0, 16);
    identities.set(tls, identity);
  }
  return identity;
}

function hashValue(hash: Hash, value: unknown): void {
  if (value instanceof Uint8Array) {
    hash.update(`bytes ${value.byteLength}\0`).update(value);
  } else if (Array.isArray(value)) {
    hash.update(`list ${value.length}\0`);
    for (const item of value) hashValue(hash, item);
  } else if (isPlain(value)) {
    for (const name of Object.keys(value).sort()) {
      if (value[name] === undefined) continue;
      hash.update(`key ${name}\0`);
      hashValue(hash, value[name]);
    }
  } else if ((typeof value === "object" && value !== null) || typeof value === "function") {
    hash.update(`object ${objectNumber(value)}\0`);
  } else {
    hash.update(`${typeof value} ${String(value)}\0`);
  }
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

const objectNumbers = new WeakMap<object, number>();
let objectsNumbered = 0;

function objectNumber(value: object): number {
  let number = objectNumbers.get(value);
  if (number === undefined) {
    objectsNumbered += 1;
    number = objectsNumbered;
    objectNumbers.set(value, number);
  }
  return number;
}
