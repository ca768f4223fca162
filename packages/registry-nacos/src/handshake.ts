import type { Clock } from "@dubhe/concurrency";
import { NacosError } from "./errors.js";
import { asBoolean, asString, type JsonObject } from "./json.js";
import { ERROR_RESPONSE, isServerStarting, RequestType, readStatus, StreamType } from "./messages.js";
import { pause, within } from "./pause.js";
import type { Envelope } from "./payload.js";
import type { Link } from "./transport.js";

export interface HandshakeOptions {
  readonly clock: Clock;
  readonly clientVersion: string;
  readonly tenant: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  headers(): Readonly<Record<string, string>>;
  /** Resolves at the server's SetupAckRequest. */
  readonly setupAck: Promise<void>;
  readonly signal: AbortSignal;
}

/** A server that starts says so for a while; clients of Nacos ask again each second, up to 30 times. */
const STARTING_RETRY_MS = 1_000;
const STARTING_RETRIES = 30;
const SETUP_ACK_TIMEOUT_MS = 3_000;
const PROBE_MS = 50;

/**
 * Makes the server know the connection; resolves with its id there.
 *
 *     ServerCheck ─▶ ConnectionSetup ─▶ SetupAck ─▶ done
 *        ▲  │ 300..399       │ a server without ability negotiation sends no SetupAck
 *        └──┘ each second    └─▶ HealthCheck until it is not refused ─▶ done
 *
 * Without the wait, the next request can overtake the setup in the server and is refused with "Connection is
 * unregistered" (13 of 20 times in a trial).
 */
export async function handshake(link: Link, options: HandshakeOptions): Promise<string> {
  const check = await serverCheck(link, options);
  link.send(StreamType.connectionSetup, {
    clientVersion: options.clientVersion,
    tenant: options.tenant,
    labels: options.labels,
    module: "internal",
    abilityTable: { supportPersistentInstanceByGrpc: true },
  });
  if (asBoolean(check.supportAbilityNegotiation, false)) await setupAcknowledged(options);
  else await probe(link, options);
  return asString(check.connectionId);
}

async function serverCheck(link: Link, options: HandshakeOptions): Promise<JsonObject> {
  for (let attempt = 0; ; attempt++) {
    const answer = await ask(link, RequestType.serverCheck, { module: "internal" }, options);
    const status = readStatus(answer.body);
    if (status.success && answer.type !== ERROR_RESPONSE) return answer.body;
    if (!isServerStarting(status.errorCode) || attempt >= STARTING_RETRIES)
      throw new NacosError(RequestType.serverCheck, status);
    await pause(options.clock, STARTING_RETRY_MS, options.signal);
    options.signal.throwIfAborted();
  }
}

function setupAcknowledged({ clock, setupAck, signal }: HandshakeOptions): Promise<void> {
  const late = `the server did not acknowledge the connection's setup within ${SETUP_ACK_TIMEOUT_MS} ms`;
  return within(clock, setupAck, SETUP_ACK_TIMEOUT_MS, late, signal);
}

async function probe(link: Link, options: HandshakeOptions): Promise<void> {
  for (let waitedMs = 0; ; waitedMs += PROBE_MS) {
    const { body } = await ask(link, RequestType.healthCheck, { module: "internal" }, options);
    const status = readStatus(body);
    if (status.success) return;
    if (waitedMs >= SETUP_ACK_TIMEOUT_MS) throw new NacosError(RequestType.healthCheck, status);
    await pause(options.clock, PROBE_MS, options.signal);
    options.signal.throwIfAborted();
  }
}

function ask(link: Link, type: string, body: object, options: HandshakeOptions): Promise<Envelope> {
  return link.request(type, body, { headers: options.headers(), timeoutMs: options.timeoutMs, signal: options.signal });
}
