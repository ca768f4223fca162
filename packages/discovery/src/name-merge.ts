/**
 * What one source (a registry's mapping of the interface, or one application in one registry) knows about a service, and
 * what several know together. Endpoints and excluded instances are not in it: their keys name registry and application, so
 * the union of the sources is a plain union.
 */
export type Knowledge =
  | {
      readonly kind: "bound";
      readonly complete: boolean;
      readonly resolving: boolean;
      /** By message; empty = fresh. */
      readonly stale: ReadonlyMap<string, Error>;
    }
  | { readonly kind: "pending" }
  | { readonly kind: "failed"; readonly errors: ReadonlyMap<string, Error> }
  | { readonly kind: "negative"; readonly reasons: ReadonlySet<string> };

/** Weaker first. What may still turn out well hides what has failed, which hides what is known to be none. */
const STRENGTH: Readonly<Record<Knowledge["kind"], number>> = { negative: 0, failed: 1, pending: 2, bound: 3 };

/**
 * Any bound wins, else pending, else failed, else negative. A bound result is complete when all that went into it has
 * answered: a source that knows of no provider is an answer (an application usually lives in one of several registries).
 *
 * Associative, commutative and idempotent, so neither the order of the sources nor that of their news matters.
 */
export function mergeKnowledge(a: Knowledge, b: Knowledge): Knowledge {
  const [strong, weak] = STRENGTH[a.kind] >= STRENGTH[b.kind] ? [a, b] : [b, a];
  switch (strong.kind) {
    case "bound": {
      if (weak.kind === "negative") return strong;
      if (weak.kind === "bound") {
        return {
          kind: "bound",
          complete: strong.complete && weak.complete,
          resolving: strong.resolving || weak.resolving,
          stale: mergeErrors(strong.stale, weak.stale),
        };
      }
      return strong.complete ? { ...strong, complete: false } : strong;
    }
    case "pending":
      return strong;
    case "failed":
      return weak.kind === "failed" ? { kind: "failed", errors: mergeErrors(strong.errors, weak.errors) } : strong;
    case "negative":
      return weak.kind === "negative"
        ? { kind: "negative", reasons: new Set([...strong.reasons, ...weak.reasons]) }
        : strong;
  }
}

/** One error for several, the same whatever the order they came in. */
export function oneError(errors: ReadonlyMap<string, Error>): Error {
  const messages = [...errors.keys()].sort();
  const first = errors.get(messages[0] ?? "") ?? new Error("unknown");
  return messages.length <= 1
    ? first
    : new AggregateError(
        messages.map((m) => errors.get(m)),
        messages.join("; "),
      );
}

/** Equal messages are one error: of two, that of the first argument is kept. */
function mergeErrors(a: ReadonlyMap<string, Error>, b: ReadonlyMap<string, Error>): ReadonlyMap<string, Error> {
  if (b.size === 0) return a;
  if (a.size === 0) return b;
  const merged = new Map(a);
  for (const [message, error] of b) if (!merged.has(message)) merged.set(message, error);
  return merged;
}
