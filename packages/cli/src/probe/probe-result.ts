/** What became of an attempt to connect. */
export type ProbeResult =
  | { readonly ok: true; readonly tcpMs: number; readonly http2Ms?: number; readonly tls?: string }
  | { readonly ok: false; readonly problem: ProbeProblem; readonly text: string };

/**
 * - `name`: the host name cannot be resolved. - `refused`: nobody listens. - `unreachable`, `silent`: no way, or no answer.
 * - `tls-expected`: it speaks TLS, we were to speak clear text. - `no-tls`: the other way round.
 * - `certificate`: TLS, but not to be trusted. - `not-http2`: something else listens there.
 */
export type ProbeProblem =
  | "name"
  | "refused"
  | "unreachable"
  | "silent"
  | "tls-expected"
  | "no-tls"
  | "certificate"
  | "not-http2";

export interface ProbeTarget {
  readonly host: string;
  readonly port: number;
}

export function addressOf({ host, port }: ProbeTarget): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** In words, for an error of node:net or node:dns. */
export function connectFailure(target: ProbeTarget, error: NodeJS.ErrnoException): ProbeResult {
  const failed = (problem: ProbeProblem, text: string): ProbeResult => ({ ok: false, problem, text });
  switch (error.code) {
    case "ECONNREFUSED":
      return failed("refused", `port ${target.port} of ${target.host} refuses connections: nobody listens there`);
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return failed("name", `the name ${target.host} cannot be resolved (${error.code})`);
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return failed("unreachable", `${target.host} cannot be reached from here (${error.code})`);
    default:
      return failed("unreachable", `cannot connect to ${addressOf(target)}: ${error.message}`);
  }
}
