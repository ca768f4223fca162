import { RpcError } from "@dubhe/rpc";
import { addressOf } from "./config.js";
import { EtcdLoginError, EtcdRefusedError } from "./errors.js";
import type { EtcdLink } from "./etcd-link.js";

export interface Asked {
  readonly link: Pick<EtcdLink, "endpoint">;
  /** A verb and the key that it is about: `write /services/shop/10.0.0.1:1`. */
  readonly what: string;
  readonly user: string | undefined;
}

/** What a call failed with; of a refusal whose reason we know, with what helps: where, what, whose right, which setting. */
export function readable(error: unknown, asked: Asked): unknown {
  if (!(error instanceof RpcError) || error.source !== "peer") return error;
  const explained = refusal(error.rawMessage, asked, error);
  return explained instanceof EtcdRefusedError || explained instanceof EtcdLoginError ? explained : error;
}

/** As `readable`, for a reason that came within a stream. */
export function refusal(reason: string, { link, what, user }: Asked, cause?: Error): Error {
  const where = addressOf(link.endpoint);
  if (/user name is empty/.test(reason)) {
    const hint = "the server wants a login; write etcd://user:password@host:2379";
    return new EtcdLoginError(`${where}: ${reason}: ${hint}`, { cause });
  }
  if (/permission denied/.test(reason)) {
    const [root = ""] = /\/[^/]+\//.exec(what) ?? [];
    const hint = root === "" ? "grant its role what it needs" : `grant its role readwrite on the prefix ${root}`;
    const who = user === undefined ? "may not" : `user ${user} may not`;
    return new EtcdRefusedError(`${where}: ${who} ${what} (${reason}): ${hint}`, { cause });
  }
  if (/request is too large|received message larger than max/.test(reason)) {
    const hint = "--max-request-bytes of the servers is 1.5 MiB unless set";
    return new EtcdRefusedError(`${where}: too large to ${what} (${reason}): ${hint}`, { cause });
  }
  return new Error(`${where}: cannot ${what}: ${reason}`, { cause });
}
