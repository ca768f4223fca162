import { networkInterfaces } from "node:os";

/** What consumers are told to connect to. */
export interface AdvertisedAddress {
  readonly host: string;
  readonly port: number;
}

export interface AdvertiseInput {
  /** The `advertise` option: `host`, `host:port` or `[v6]:port`. */
  readonly advertise?: string | undefined;
  readonly boundHost: string;
  readonly boundPort: number;
  /** With the embedded registry every peer is on this machine. */
  readonly loopback: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly interfaces?: ReturnType<typeof networkInterfaces>;
}

/**
 * In this order: the option, `DUBBO_IP_TO_REGISTRY` and `DUBBO_PORT_TO_REGISTRY` (dubbo-java's and dubbo-go's names), the
 * bound address when it is one, loopback with the embedded registry, the first IPv4 address of an interface that is not internal.
 * Host and port are looked for separately: `advertise: ":8080"` names the port alone.
 */
export function advertisedAddress(input: AdvertiseInput): AdvertisedAddress {
  const option = input.advertise === undefined ? undefined : parseHostPort(input.advertise, "advertise");
  const envPort = input.env["DUBBO_PORT_TO_REGISTRY"];
  const port = option?.port ?? (envPort ? parsePortText(envPort, "DUBBO_PORT_TO_REGISTRY") : input.boundPort);
  return { host: option?.host || input.env["DUBBO_IP_TO_REGISTRY"] || hostOf(input), port };
}

function hostOf(input: AdvertiseInput): string {
  if (!isWildcard(input.boundHost)) return input.boundHost;
  if (input.loopback) return "127.0.0.1";
  for (const addresses of Object.values(input.interfaces ?? networkInterfaces())) {
    for (const address of addresses ?? []) {
      if (address.family === "IPv4" && !address.internal) return address.address;
    }
  }
  return "127.0.0.1";
}

function isWildcard(host: string): boolean {
  return host === "" || host === "0.0.0.0" || host === "::";
}

/** `host`, `host:port`, `:port`, `[v6]`, `[v6]:port`. Throws a TypeError that names `what`. */
export function parseHostPort(text: string, what: string): { host: string; port: number | undefined } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]/\s]*))(?::(\d+))?$/.exec(text);
  if (match === null || text === "") {
    throw new TypeError(`${what} takes host:port, for example "0.0.0.0:50051" or "[::1]:50051", not "${text}".`);
  }
  const host = match[1] ?? match[2] ?? "";
  return { host, port: match[3] === undefined ? undefined : parsePortText(match[3], what) };
}

function parsePortText(text: string, what: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new TypeError(`${what}: a port is 0 to 65535, not "${text}".`);
  return port;
}
