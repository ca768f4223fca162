import type { KeyValue } from "../gen/etcd_rpc_pb.js";
import type { EtcdClient } from "./etcd-client.js";

const PAGE = 1_000n;

export interface RangeOptions {
  readonly keysOnly?: boolean;
  readonly page?: bigint;
}

/** All keys of a range as of one revision, however many. Linearizable: it knows everything that was acknowledged before. */
export async function pagedRange(
  client: EtcdClient,
  key: Uint8Array,
  rangeEnd: Uint8Array,
  signal: AbortSignal,
  { keysOnly = false, page = PAGE }: RangeOptions = {},
): Promise<{ readonly kvs: readonly KeyValue[]; readonly revision: bigint }> {
  const kvs: KeyValue[] = [];
  let revision = 0n;
  let from = key;
  for (;;) {
    const answer = await client.call(
      (link, settings) => link.range({ key: from, rangeEnd, limit: page, revision, keysOnly }, settings),
      signal,
    );
    if (revision === 0n) revision = answer.header?.revision ?? 0n;
    for (const kv of answer.kvs) kvs.push(kv);
    const last = answer.kvs.at(-1);
    if (!answer.more || last === undefined) return { kvs, revision };
    // The smallest key after the last one.
    from = new Uint8Array(last.key.length + 1);
    from.set(last.key);
  }
}
