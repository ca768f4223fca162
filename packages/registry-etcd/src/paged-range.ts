import { Code, RpcError } from "@dubhe/rpc";
import type { KeyValue, RangeResponse } from "../gen/etcd_rpc_pb.js";
import type { EtcdClient } from "./etcd-client.js";
import { textOf } from "./keys.js";

const PAGE = 1_000n;

export interface RangeOptions {
  readonly keysOnly?: boolean;
  readonly page?: bigint;
}

/** Of all pages together, while the server compacts their revision away. */
const ATTEMPTS = 3;

/** All keys of a range as of one revision, however many. Linearizable: it knows everything that was acknowledged before. */
export async function pagedRange(
  client: EtcdClient,
  key: Uint8Array,
  rangeEnd: Uint8Array,
  signal: AbortSignal,
  options: RangeOptions = {},
): Promise<{ readonly kvs: readonly KeyValue[]; readonly revision: bigint }> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await readPages(client, key, rangeEnd, signal, options);
    } catch (error) {
      if (attempt === ATTEMPTS || !isFrom(error, Code.OutOfRange, "peer")) throw error;
    }
  }
}

async function readPages(
  client: EtcdClient,
  key: Uint8Array,
  rangeEnd: Uint8Array,
  signal: AbortSignal,
  { keysOnly = false, page = PAGE }: RangeOptions,
): Promise<{ readonly kvs: readonly KeyValue[]; readonly revision: bigint }> {
  const kvs: KeyValue[] = [];
  let limit = page;
  let revision = 0n;
  let from = key;
  for (;;) {
    const request = { key: from, rangeEnd, limit, revision, keysOnly };
    let answer: RangeResponse;
    try {
      answer = await client.call((link, settings) => link.range(request, settings), signal, `read ${textOf(key)}`);
    } catch (error) {
      // More than we take in one message: huge values must not hide the others.
      if (limit === 1n || !isFrom(error, Code.ResourceExhausted, "local")) throw error;
      limit = limit > 10n ? limit / 10n : 1n;
      continue;
    }
    if (revision === 0n) revision = answer.header?.revision ?? 0n;
    for (const kv of answer.kvs) kvs.push(kv);
    const last = answer.kvs.at(-1);
    if (!answer.more || last === undefined) return { kvs, revision };
    // The smallest key after the last one.
    from = new Uint8Array(last.key.length + 1);
    from.set(last.key);
  }
}

function isFrom(error: unknown, code: number, source: string): boolean {
  return error instanceof RpcError && error.code === code && error.source === source;
}
