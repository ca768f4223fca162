import type { ServiceRef } from "./name-state.js";

/**
 * How far the migration of a consumer from the interface-level to the application-level model has come (dubbo-java).
 *
 * - `FORCE_INTERFACE`: only providers found by interface.
 * - `APPLICATION_FIRST`: both are followed; those found by application as soon as there are enough of them, else the others.
 * - `FORCE_APPLICATION`: only providers found by application.
 */
export type MigrationStep = "FORCE_INTERFACE" | "APPLICATION_FIRST" | "FORCE_APPLICATION";

const STEPS: ReadonlySet<unknown> = new Set(["FORCE_INTERFACE", "APPLICATION_FIRST", "FORCE_APPLICATION"]);

export interface MigrationSettings {
  readonly step?: MigrationStep;
  /** How many addresses by application, for each by interface, are enough. Default 0: one is. Negative = the default. */
  readonly threshold?: number;
  /** Part of the calls, in percent, that go to addresses by application in APPLICATION_FIRST. Default 100. */
  readonly proportion?: number;
  /** Seconds between a rule that forces a step and the step. Default 0. */
  readonly delay?: number;
  /** Take a forced step whatever the threshold says. Default false. */
  readonly force?: boolean;
}

export interface MigrationSubRule extends MigrationSettings {
  /** `interface:version` or `interface`; of the rule of an application its name. */
  readonly serviceKey: string;
}

/** The rule of one consumer, from the configuration centre. What a sub-rule leaves out the rule itself says. */
export interface MigrationRule extends MigrationSettings {
  /** The consumer's application. */
  readonly key?: string;
  readonly interfaces?: readonly MigrationSubRule[];
  readonly applications?: readonly MigrationSubRule[];
}

/** A rule for one service, with nothing left open. */
export interface Migration {
  readonly step: MigrationStep;
  readonly threshold: number;
  /** 0..100. */
  readonly proportion: number;
  readonly delayMs: number;
  readonly force: boolean;
}

/** Where the rule is: key `<consumer application>.migration` in this group. */
export const MIGRATION_GROUP = "DUBBO_SERVICEDISCOVERY_MIGRATION";

export function migrationKey(application: string): string {
  return `${application}.migration`;
}

/** A rule from what a YAML parser made of its text. Throws a TypeError that names what is wrong. */
export function migrationRuleOf(value: unknown): MigrationRule {
  if (value === undefined || value === null) return {};
  const rule = recordOf(value, "the rule");
  return {
    ...settingsOf(rule, "the rule"),
    ...(typeof rule.key === "string" ? { key: rule.key } : undefined),
    ...subRulesOf(rule, "interfaces"),
    ...subRulesOf(rule, "applications"),
  };
}

/**
 * What a rule says of one service: for each setting its interface's rule, else that of the first of its applications, by name,
 * that has one, else the rule's own, else the default.
 */
export function migrationOf(
  rule: MigrationRule | undefined,
  ref: Pick<ServiceRef, "service" | "version">,
  applications: Iterable<string>,
  defaultStep: MigrationStep = "APPLICATION_FIRST",
): Migration {
  const key = ref.version === "" ? ref.service : `${ref.service}:${ref.version}`;
  const sources: MigrationSettings[] = [];
  // Java's key has the version; one without it is meant for every version.
  for (const name of new Set([key, ref.service])) {
    const found = rule?.interfaces?.find(({ serviceKey }) => serviceKey === name);
    if (found !== undefined) sources.push(found);
  }
  for (const application of [...applications].sort()) {
    const found = rule?.applications?.find(({ serviceKey }) => serviceKey === application);
    if (found !== undefined) sources.push(found);
  }
  if (rule !== undefined) sources.push(rule);
  const first = <K extends keyof MigrationSettings>(name: K): MigrationSettings[K] | undefined =>
    sources.find((source) => source[name] !== undefined)?.[name];
  return {
    step: first("step") ?? defaultStep,
    threshold: Math.max(0, first("threshold") ?? 0),
    proportion: Math.min(100, Math.max(0, first("proportion") ?? 100)),
    delayMs: Math.max(0, first("delay") ?? 0) * 1000,
    force: first("force") ?? false,
  };
}

/**
 * Java's comparator: whether the addresses of the model to go to are enough against those of the one to leave. Undefined: that
 * model is not used, or has not answered.
 */
export function shouldMigrate(to: number | undefined, from: number | undefined, threshold: number): boolean {
  if (to === undefined) return false;
  if (from === undefined) return true;
  // With a threshold of 0 Java would even go to nobody, and its calls then fall back: the same, said at once.
  if (to === 0) return false;
  return from === 0 || to / from >= threshold;
}

function settingsOf(value: Readonly<Record<string, unknown>>, where: string): MigrationSettings {
  const number = (name: string): number | undefined => {
    const given = value[name];
    if (given === undefined || given === null) return undefined;
    const parsed = typeof given === "string" && given.trim() !== "" ? Number(given) : given;
    if (typeof parsed !== "number" || !Number.isFinite(parsed))
      throw new TypeError(`${name} of ${where} must be a number, not ${JSON.stringify(given)}`);
    return parsed;
  };
  const { step, force } = value;
  if (step !== undefined && step !== null && !STEPS.has(step))
    throw new TypeError(`step of ${where} must be one of ${[...STEPS].join(", ")}, not ${JSON.stringify(step)}`);
  const [threshold, proportion, delay] = [number("threshold"), number("proportion"), number("delay")];
  return {
    ...(typeof step === "string" ? { step: step as MigrationStep } : undefined),
    ...(threshold === undefined ? undefined : { threshold }),
    ...(proportion === undefined ? undefined : { proportion }),
    ...(delay === undefined ? undefined : { delay }),
    ...(force === undefined || force === null ? undefined : { force: force === true || force === "true" }),
  };
}

function subRulesOf(
  rule: Readonly<Record<string, unknown>>,
  name: "interfaces" | "applications",
): Pick<MigrationRule, typeof name> {
  const list = rule[name];
  if (list === undefined || list === null) return {};
  if (!Array.isArray(list)) throw new TypeError(`${name} of the rule must be a list`);
  const subRules = list.map((entry: unknown, index): MigrationSubRule => {
    const where = `${name}[${index}]`;
    const value = recordOf(entry, where);
    if (typeof value.serviceKey !== "string") throw new TypeError(`${where} has no serviceKey`);
    return { ...settingsOf(value, where), serviceKey: value.serviceKey };
  });
  return { [name]: subRules };
}

function recordOf(value: unknown, where: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new TypeError(`${where} must be a mapping, not ${JSON.stringify(value)}`);
  return value as Readonly<Record<string, unknown>>;
}
