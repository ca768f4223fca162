import { type InstanceList, type ListCounters, type ListUser, readList } from "../instance-list.js";
import { asObject, asString } from "../json.js";

const TYPE = "NotifySubscriberRequest";

export function listCounters(): ListCounters {
  return { parsed: 0, reused: 0, whole: 0 };
}

/** Reads the text of a message as the client does when it holds `held` for every service. */
export function readText(
  text: string | Uint8Array,
  held?: InstanceList,
  counters: ListCounters = listCounters(),
  opened: (message: unknown, hasList: boolean) => void = () => undefined,
): InstanceList | undefined {
  const raw = typeof text === "string" ? new TextEncoder().encode(text) : text;
  const user: ListUser = {
    heldFor: (info) => (asString(info.name) === "" ? undefined : held),
    open: (message, hasList) => {
      opened(message, hasList);
      return hasList ? { application: "shop", held } : undefined;
    },
  };
  const steps = readList(TYPE, raw, user, counters);
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value ?? undefined;
  }
}

/** Reads a `serviceInfo`. */
export function readServiceInfo(info: object, held?: InstanceList, counters?: ListCounters): InstanceList {
  const read = readText(JSON.stringify({ serviceInfo: asObject(info) }), held, counters);
  if (read === undefined) throw new TypeError("no list");
  return read;
}
