import {
  type InterfaceProvider,
  type InterfaceSession,
  type MalformedInstance,
  ownerOf,
  parseProviderUrl,
  providerKey,
  refKey,
  type SessionProviders,
} from "@dubhe/discovery";
import type { EtcdClient } from "./etcd-client.js";
import type { HeldKeys } from "./held-keys.js";
import type { KeyView } from "./key-view.js";
import { bytesOf, prefixEnd, providerAddressPrefix, providerPath, providersPrefix, textOf } from "./keys.js";
import { pagedRange } from "./paged-range.js";
import type { KeyRange, WatchedViews } from "./watched-views.js";

type Entry = InterfaceProvider | MalformedInstance;
type Push = (list: SessionProviders) => void;

/**
 * Interface-level discovery: the URL of a provider is its key, so a changed provider is a new key, and the removal of the old
 * one in the same transaction.
 */
export function interfaceSession(views: WatchedViews, held: HeldKeys, client: EtcdClient): InterfaceSession {
  /** providerKey → the keys that may stand for it: several after a change that was not answered. */
  const keys = new Map<string, Set<string>>();
  /** Refs of one interface share its watch. */
  const watching = new Map<string, { readonly pushes: Map<string, Push>; readonly armed: Promise<void> }>();
  const rangeOf = (service: string): KeyRange => ({ prefix: providersPrefix(service) });

  return {
    async register(provider, signal) {
      const identity = providerKey(provider);
      const key = providerPath(provider);
      const known = keys.get(identity);
      const mine = known ?? new Set(await leftovers(client, provider, key, signal));
      signal.throwIfAborted();
      keys.set(identity, mine.add(key));
      const others = [...mine].filter((other) => other !== key);
      await held.hold(
        { key, value: "", foreign: () => undefined, ...(others.length === 0 ? {} : { instead: others }) },
        signal,
      );
      for (const other of others) mine.delete(other);
    },
    async deregister(provider, signal) {
      const identity = providerKey(provider);
      for (const key of new Set([...(keys.get(identity) ?? []), providerPath(provider)]))
        await held.release(key, signal);
      keys.delete(identity);
    },
    async watch(ref, push, signal) {
      const { service } = ref;
      let shared = watching.get(service);
      if (shared === undefined) {
        const pushes = new Map<string, Push>();
        const tell = (view: KeyView<Entry>): void => {
          const list = providersOf(view);
          for (const one of [...pushes.values()]) one(list);
        };
        shared = { pushes, armed: views.watch(rangeOf(service), parserOf(service), tell, signal) };
        watching.set(service, shared);
      }
      shared.pushes.set(refKey(ref), push);
      try {
        await shared.armed;
      } catch (error) {
        if (watching.get(service) === shared) watching.delete(service);
        throw error;
      }
    },
    async unwatch({ service, ...ref }) {
      const pushes = watching.get(service)?.pushes;
      if (pushes?.delete(refKey({ service, ...ref })) !== true || pushes.size > 0) return;
      watching.delete(service);
      views.unwatch(rangeOf(service));
    },
    async read(ref, signal) {
      const list = providersOf(await views.read(rangeOf(ref.service), parserOf(ref.service), signal));
      // What this read was the first to know, no event will tell the others.
      for (const [other, push] of watching.get(ref.service)?.pushes ?? []) if (other !== refKey(ref)) push(list);
      return list;
    },
  };
}

/**
 * What an earlier process of this address left, with other parameters: it listened where we listen now. An entry of a live
 * foreign owner stays.
 */
async function leftovers(
  client: EtcdClient,
  provider: InterfaceProvider,
  key: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const prefix = providerAddressPrefix(provider);
  const { kvs } = await pagedRange(client, bytesOf(prefix), prefixEnd(prefix), signal, { keysOnly: true });
  const { length } = providersPrefix(provider.service.name);
  return kvs
    .map((kv) => textOf(kv.key))
    .filter((other) => {
      const parsed = other === key ? undefined : parseProviderUrl(other.slice(length));
      if (parsed?.ok !== true || providerKey(parsed.provider) !== providerKey(provider)) return false;
      const owner = ownerOf(parsed.provider.instance);
      return owner === "" || owner === ownerOf(provider.instance);
    });
}

function parserOf(service: string): (key: string) => Entry {
  const { length } = providersPrefix(service);
  return (key) => {
    const parsed = parseProviderUrl(key.slice(length));
    return parsed.ok ? parsed.provider : { id: key.slice(length), reason: parsed.reason };
  };
}

function providersOf(view: KeyView<Entry>): SessionProviders {
  const providers: InterfaceProvider[] = [];
  const malformed: MalformedInstance[] = [];
  for (const entry of view.entries.values()) {
    if ("service" in entry) providers.push(entry);
    else malformed.push(entry);
  }
  return { seq: Number(view.revision), providers, malformed };
}
