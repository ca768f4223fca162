import { request } from "node:http";
import type { Runtime } from "@dubhe/concurrency";
import { toError } from "./errors.js";
import { asNumber, asObject, asString } from "./json.js";
import { httpAddress, type ServerAddress } from "./transport.js";

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** The answer of the login API. */
export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

/** Sends a form by HTTP POST. Injected, so that tests need no socket. */
export type PostForm = (server: ServerAddress, path: string, form: string, signal: AbortSignal) => Promise<HttpAnswer>;

/** The server did not let us in: wrong name or password, or a user it does not know yet. */
export class NacosLoginError extends Error {
  override readonly name = "NacosLoginError";
}

/** 3.x first; a 2.x server has only the second, and a 3.1 one both. */
const LOGIN_PATHS: readonly string[] = ["/v3/auth/user/login", "/v1/auth/login"];
const MAX_QUOTED = 120;
const MIN_TTL_MS = 10_000;
/** A token as young as this that is refused is not too old: the user may not do what was asked. */
const FRESH_MS = 10_000;

/**
 * Obtains and keeps an access token, which every request then carries. Tokens are renewed when 90 % of their time is
 * over, and at once when a server says 403 to one that is not fresh. One server's token counts for its whole cluster.
 */
export class Login {
  readonly #runtime: Runtime;
  readonly #credentials: Credentials;
  readonly #contextPath: string;
  readonly #post: PostForm;
  #headers: Readonly<Record<string, string>> = {};
  #renewAt = 0;
  #renewedAt = Number.NEGATIVE_INFINITY;
  #renewing: Promise<void> | undefined;

  constructor(runtime: Runtime, credentials: Credentials, contextPath: string, post: PostForm = postForm) {
    this.#runtime = runtime;
    this.#credentials = credentials;
    this.#contextPath = contextPath;
    this.#post = post;
  }

  /** To be put into every message. Empty before the first login. */
  get headers(): Readonly<Record<string, string>> {
    return this.#headers;
  }

  /** When to call `renew` again, by `Clock.now()`. */
  get renewAt(): number {
    return this.#renewAt;
  }

  /** Whether a new login may help against a 403: for what a user may not do, each try would be another login, for ever. */
  get worthRenewing(): boolean {
    return this.#renewing !== undefined || this.#runtime.clock.now() - this.#renewedAt >= FRESH_MS;
  }

  /**
   * Logs in again; one login at a time, whoever asks. Rejects with a NacosLoginError that names the server and the user,
   * never the password.
   */
  renew(server: ServerAddress, signal: AbortSignal): Promise<void> {
    this.#renewing ??= this.#login(server, signal).finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  async #login(server: ServerAddress, signal: AbortSignal): Promise<void> {
    const { username, password } = this.#credentials;
    const form = new URLSearchParams({ username, password }).toString();
    let refusal = "";
    for (const path of LOGIN_PATHS) {
      const answer = await this.#try(server, this.#contextPath + path, form, signal);
      if (answer.status === 200 && this.#accept(answer.body)) return;
      refusal = `HTTP ${answer.status}: ${answer.body.slice(0, MAX_QUOTED).replaceAll(password || "\0", "***")}`;
      if (answer.status !== 404 && answer.status !== 410) break;
    }
    throw new NacosLoginError(
      `login of ${username} at ${httpAddress(server)} was refused (${refusal}); check user name and password`,
    );
  }

  async #try(server: ServerAddress, path: string, form: string, signal: AbortSignal): Promise<HttpAnswer> {
    try {
      return await this.#post(server, path, form, signal);
    } catch (error) {
      const why = `cannot log in at http://${httpAddress(server)}${path}: ${toError(error).message}`;
      throw new NacosLoginError(why, { cause: error });
    }
  }

  #accept(body: string): boolean {
    let parsed: unknown;
    try {
      parsed = JSON.parse(body);
    } catch {
      return false;
    }
    const answer = asObject(parsed);
    // The 3.x console wraps its answers in {code, data}.
    const data = answer.accessToken === undefined ? asObject(answer.data) : answer;
    const accessToken = asString(data.accessToken);
    if (accessToken === "") return false;
    // Never 0: a login a millisecond would be an attack.
    const ttlMs = Math.max(MIN_TTL_MS, asNumber(data.tokenTtl, 18_000) * 1_000);
    this.#headers = { accessToken };
    this.#renewedAt = this.#runtime.clock.now();
    this.#renewAt = this.#renewedAt + ttlMs * 0.9;
    return true;
  }
}

const HTTP_TIMEOUT_MS = 5_000;
const MAX_ANSWER_BYTES = 64 * 1024;

/** A connection of its own, which is closed with the answer: logins are rare. */
const postForm: PostForm = (server, path, form, signal) =>
  new Promise((resolve, reject) => {
    const call = request(
      {
        host: server.host,
        port: server.httpPort,
        path,
        method: "POST",
        agent: false,
        timeout: HTTP_TIMEOUT_MS,
        signal,
        headers: { "content-type": "application/x-www-form-urlencoded", "content-length": Buffer.byteLength(form) },
      },
      (answer) => {
        const chunks: Buffer[] = [];
        let size = 0;
        answer.on("data", (chunk: Buffer) => {
          size += chunk.length;
          if (size > MAX_ANSWER_BYTES) call.destroy(new Error("the answer is too long for a login"));
          else chunks.push(chunk);
        });
        answer.on("end", () =>
          resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks).toString("utf8") }),
        );
        answer.on("error", reject);
      },
    );
    call.on("timeout", () => call.destroy(new Error(`no answer within ${HTTP_TIMEOUT_MS} ms`)));
    call.on("error", reject);
    call.end(form);
  });
