/**
 * Apps and direct pools own sockets and sessions, so many of them are nearly always the mistake that Dubhe is there to
 * prevent. The seventeenth that is alive warns once in the life of the process.
 */
const tolerated = 16;

const live = new Set<WeakRef<object>>();
const refs = new WeakMap<object, WeakRef<object>>();
let warned = false;

export function noteLive(owner: object, madeBy: string, remedy: string): void {
  const ref = new WeakRef(owner);
  live.add(ref);
  refs.set(owner, ref);
  if (warned || live.size <= tolerated) return;
  for (const one of live) if (one.deref() === undefined) live.delete(one);
  if (live.size <= tolerated) return;
  warned = true;
  process.emitWarning(`${live.size} Apps or direct clients are alive that ${madeBy} made: ${remedy}, and close what is no longer used.`, {
    code: "DUBHE_MANY_LIVE",
  });
}

export function notLive(owner: object): void {
  const ref = refs.get(owner);
  if (ref !== undefined) live.delete(ref);
}
