import { type NameState, type ResolvedEndpoint, ServiceDiscoveryRegistry, type ServiceRef } from "@dubhe/discovery";
import { type ConfiguredRegistry, parseMigrationRule } from "dubhe/tools";
import type { Session } from "../session.js";

/** What a consumer believes of a service. */
export interface ConsumerView {
  readonly state: NameState["state"];
  /** Of a state that has none: why. */
  readonly reason?: string;
  readonly endpoints: readonly ResolvedEndpoint[];
  /** Instances that are not offered, and why. */
  readonly excluded: readonly string[];
  /** Of each registry that is used in both models: which one is called, and by which step. */
  readonly migrations: readonly Migration[];
}

export interface Migration {
  readonly registry: string;
  readonly step: string;
  readonly shown: string;
  /** Where the rule's proportion shares the calls between the models: how many of 100 go to the application level, by the weights in force. */
  readonly applicationPercent?: number;
}

/** With both models a consumer calls whom the first to answer names, and decides between them when the other has answered too. */
const secondModelMs = 1_000;

/**
 * Discovery itself, the code of every App, over the same registries: once it has heard everything, or no longer waits.
 * `application` is the consumer's, which a migration rule names.
 */
export async function consumerView(
  session: Session,
  registries: readonly ConfiguredRegistry[],
  ref: ServiceRef,
  application: string,
): Promise<ConsumerView> {
  const discovery = new ServiceDiscoveryRegistry(session.runtime, {
    registries: registries.map(({ use }) => use),
    fetchMetadata: session.fetchMetadata,
    migration: { application, parse: parseMigrationRule },
    options: {
      coalesceMs: 0,
      firstAnswerMs: 0,
      metadataJitterMs: 0,
      metadataTimeoutMs: session.timeoutMs,
      lingerMs: 0,
    },
  });
  try {
    const lease = discovery.subscribe(ref);
    const { state } = lease.view;
    await session.within((signal) => state.until(settled, signal)).catch(() => session.signal.throwIfAborted());
    if (registries.some(({ use }) => use.type === "all")) await session.pause(secondModelMs);
    const migrations = migrationsIn(discovery.inspect());
    lease.release();
    return { ...described(state.value), migrations };
  } finally {
    await discovery.close();
  }
}

function settled(state: NameState): boolean {
  if (state.state !== "bound") return state.state !== "pending";
  if (!state.complete) return false;
  return !state.resolving || state.excluded.some(({ reason }) => reason === "metadata-unresolved");
}

function described(state: NameState): Omit<ConsumerView, "migrations"> {
  const nobody = { endpoints: [], excluded: [] };
  switch (state.state) {
    case "bound":
      return { state: "bound", endpoints: state.endpoints, excluded: state.excluded.map(({ message }) => message) };
    case "negative":
      return { state: "negative", reason: state.reason, ...nobody };
    case "failed":
      return { state: "failed", reason: state.error.message, ...nobody };
    default:
      return { state: state.state, reason: "it still waits for an answer", ...nobody };
  }
}

/** What `inspect()` of discovery says, as far as it is read here. */
interface InspectedView {
  readonly endpoints?: readonly { readonly weight: number; readonly origins: readonly InspectedOrigin[] }[];
  readonly sources: readonly { readonly migration?: InspectedMigration }[];
}

interface InspectedMigration {
  readonly registry: string;
  readonly step: string;
  readonly shown: string | null;
  readonly factors?: Readonly<Record<string, number>>;
}

interface InspectedOrigin {
  readonly registry: string;
  readonly model: string;
  readonly shown: boolean;
  readonly weight: number;
  readonly healthy: boolean;
  readonly enabled: boolean;
}

function migrationsIn(inspected: unknown): readonly Migration[] {
  const { views } = inspected as { views: readonly InspectedView[] };
  return views.flatMap((view) =>
    view.sources.flatMap(({ migration }) => {
      if (migration === undefined) return [];
      const { registry, step, shown } = migration;
      const applicationPercent = shown === "application" ? applicationPercentIn(view, migration) : 100;
      return [
        { registry, step, shown: String(shown), ...(applicationPercent < 100 ? { applicationPercent } : undefined) },
      ];
    }),
  );
}

/**
 * The part of a registry's calls that goes to the application level, in percent with one decimal. Weights are whole numbers, so that small
 * ones keep the rule's proportion only roughly: what is said is what the weights make of it.
 */
function applicationPercentIn(
  { endpoints = [] }: InspectedView,
  { registry, factors = {} }: InspectedMigration,
): number {
  let [byApplication, all] = [0, 0];
  for (const { weight, origins } of endpoints) {
    const share = (model: string): number =>
      Math.max(
        0,
        ...origins
          .filter((origin) => origin.registry === registry && origin.model === model)
          .filter(({ shown, healthy, enabled }) => shown && healthy && enabled)
          .map((origin) => origin.weight * (factors[model] ?? 1)),
      );
    const [application, other] = [share("application"), share("interface")];
    if (application + other === 0) continue;
    byApplication += (weight * application) / (application + other);
    all += weight;
  }
  return all === 0 ? 100 : Math.round((byApplication / all) * 1_000) / 10;
}
