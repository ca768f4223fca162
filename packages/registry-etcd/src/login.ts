import { type Runtime, SingleFlight } from "@dubhe/concurrency";
import { Code, RpcError } from "@dubhe/rpc";
import { addressOf } from "./config.js";
import { EtcdLoginError } from "./errors.js";
import type { EtcdLink } from "./etcd-link.js";

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/**
 * Obtains and keeps the token that every request then carries. A server's simple token lives as long as it is used, and is lost
 * when the server restarts: it is renewed when a server refuses it. A JWT says when it ends, and is renewed at 90 % of that.
 */
export class Login {
  readonly #runtime: Runtime;
  readonly #credentials: Credentials;
  #token: string | undefined;
  #renewAt = Infinity;
  /** The server wants no login, so there is nothing to send. */
  #unwanted = false;
  readonly #renewing: SingleFlight<"login", void>;
  logins = 0;

  constructor(runtime: Runtime, credentials: Credentials) {
    this.#runtime = runtime;
    this.#credentials = credentials;
    this.#renewing = new SingleFlight(runtime);
  }

  get username(): string {
    return this.#credentials.username;
  }

  get token(): string | undefined {
    return this.#token;
  }

  /** There is none yet, or it is about to end. */
  get due(): boolean {
    return (this.#token === undefined && !this.#unwanted) || this.#runtime.clock.now() >= this.#renewAt;
  }

  /**
   * Logs in again, unless somebody has since `stale` was read; one login at a time. Rejects with an EtcdLoginError that names the
   * server and the user, never the password; with the link's error when it could not ask.
   */
  renew(link: EtcdLink, stale: string | undefined, signal: AbortSignal): Promise<void> {
    if (this.#token !== stale) return Promise.resolve();
    return this.#renewing.run("login", (s) => this.#login(link, s), signal);
  }

  async #login(link: EtcdLink, signal: AbortSignal): Promise<void> {
    const { username, password } = this.#credentials;
    this.logins += 1;
    try {
      const { token } = await link.authenticate({ name: username, password }, { signal, token: undefined });
      this.#accept(token);
    } catch (error) {
      if (!(error instanceof RpcError) || error.source !== "peer" || error.code === Code.Unavailable) throw error;
      if (/authentication is not enabled/.test(error.rawMessage)) {
        this.#unwanted = true;
        this.#token = undefined;
        this.#renewAt = Infinity;
        return;
      }
      const why = password === "" ? error.rawMessage : error.rawMessage.replaceAll(password, "***");
      throw new EtcdLoginError(
        `login of ${username} at ${addressOf(link.endpoint)} was refused (${why}); check user name and password`,
      );
    }
  }

  #accept(token: string): void {
    const { clock } = this.#runtime;
    this.#token = token;
    this.#unwanted = false;
    const expiry = expiryOf(token);
    this.#renewAt = expiry === undefined ? Infinity : clock.now() + Math.max(1_000, (expiry - clock.wallTime()) * 0.9);
  }
}

/** Whether a new token can help. */
export function isTokenError(error: unknown): boolean {
  return error instanceof RpcError && error.source === "peer" && isTokenReason(error.rawMessage);
}

export function isTokenReason(message: string): boolean {
  return /invalid auth token|revision of auth store is old|user name is empty/.test(message);
}

/** Unix ms at which a JWT ends; undefined for other tokens. */
export function expiryOf(token: string): number | undefined {
  const [, payload] = token.split(".");
  if (payload === undefined) return undefined;
  try {
    const { exp } = JSON.parse(Buffer.from(payload, "base64url").toString("utf8")) as { exp?: unknown };
    return typeof exp === "number" && Number.isFinite(exp) ? exp * 1_000 : undefined;
  } catch {
    return undefined;
  }
}
