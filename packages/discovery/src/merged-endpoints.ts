import type { ChangeLoggedTable } from "./endpoint-table.js";
import type { ResolvedEndpoint } from "./name-state.js";

/** Where one endpoint was found: an instance in one registry, by one of the two models. */
export interface Contribution {
  /** As the table shall have it when it is the only one at its address. */
  readonly endpoint: ResolvedEndpoint;
  readonly group: EndpointGroup;
}

/**
 * The endpoints of a view by address. An address that several registries, applications or models name is one endpoint: what
 * it shows is that of the preferred one of those that may be called, and weights do not add up.
 */
export class MergedEndpoints {
  readonly #table: ChangeLoggedTable;
  /** By address; preferred first. */
  readonly #byAddress = new Map<string, readonly Contribution[]>();

  constructor(table: ChangeLoggedTable) {
    this.#table = table;
  }

  /** Contributions that are shown, hidden and weighed together. `preference`: lower goes first. */
  group(model: string, preference: number, shown: boolean): EndpointGroup {
    return new EndpointGroup(this, model, preference, shown);
  }

  /** All that was found at an address, also what is not shown now. */
  found(address: string): readonly Contribution[] {
    return this.#byAddress.get(address) ?? [];
  }

  /** @internal */
  put(contribution: Contribution, old: Contribution | undefined): void {
    const address = contribution.endpoint.key;
    const known = this.#byAddress.get(address);
    // Nearly always there is one at an address, and thousands come at once.
    if (known === undefined || (known.length === 1 && known[0] === old)) {
      this.#byAddress.set(address, [contribution]);
      return this.refresh(address);
    }
    const list = known.slice();
    const place = old === undefined ? -1 : list.indexOf(old);
    if (place >= 0) list[place] = contribution;
    else list.push(contribution);
    if (list.length > 1) list.sort((a, b) => a.group.preference - b.group.preference);
    this.#byAddress.set(address, list);
    this.refresh(address);
  }

  /** @internal */
  remove(contribution: Contribution): void {
    const address = contribution.endpoint.key;
    const rest = (this.#byAddress.get(address) ?? []).filter((other) => other !== contribution);
    if (rest.length === 0) this.#byAddress.delete(address);
    else this.#byAddress.set(address, rest);
    this.refresh(address);
  }

  /** @internal */
  refresh(address: string): void {
    const found = this.#byAddress.get(address) ?? [];
    const shown = found.every(({ group }) => group.shown) ? found : found.filter(({ group }) => group.shown);
    if (shown.length === 0) {
      this.#table.delete(address);
      return;
    }
    const merged = merge(shown);
    const old = this.#table.written(address);
    if (old === undefined || !sameEndpoint(old, merged)) this.#table.set(merged);
  }
}

/** What one model in one registry contributes to a view. */
export class EndpointGroup {
  readonly model: string;
  readonly preference: number;
  readonly #merged: MergedEndpoints;
  /** By origin. */
  readonly #contributions = new Map<string, Contribution>();
  #size = 0;
  #shown: boolean;
  #factor = 1;

  constructor(merged: MergedEndpoints, model: string, preference: number, shown: boolean) {
    this.#merged = merged;
    this.model = model;
    this.preference = preference;
    this.#shown = shown;
  }

  /** Addresses: one that is named several times, for several groups of a wildcard, counts once. */
  get size(): number {
    return this.#size;
  }

  get shown(): boolean {
    return this.#shown;
  }

  /** By what its weights are multiplied; other than 1 only while two models share the calls. */
  get factor(): number {
    return this.#factor;
  }

  /** The weights of the addresses that may be called. */
  get weight(): number {
    const largest = new Map<string, number>();
    for (const { endpoint } of this.#contributions.values())
      if (isUsable(endpoint)) largest.set(endpoint.key, Math.max(largest.get(endpoint.key) ?? 0, endpoint.weight));
    let sum = 0;
    for (const weight of largest.values()) sum += weight;
    return sum;
  }

  get(origin: string): ResolvedEndpoint | undefined {
    return this.#contributions.get(origin)?.endpoint;
  }

  set(origin: string, endpoint: ResolvedEndpoint): void {
    const old = this.#contributions.get(origin);
    const contribution: Contribution = { endpoint, group: this };
    const stays = old?.endpoint.key === endpoint.key;
    if (!stays && !this.#isAt(endpoint.key)) this.#size++;
    this.#contributions.set(origin, contribution);
    this.#merged.put(contribution, old);
    if (old !== undefined && !stays) this.#remove(old);
  }

  delete(origin: string): void {
    const old = this.#contributions.get(origin);
    if (old === undefined) return;
    this.#contributions.delete(origin);
    this.#remove(old);
  }

  /** Nobody can look between two of these in one turn. To pass from one group to another, show before you hide. */
  show(shown: boolean, factor = 1): void {
    if (shown === this.#shown && factor === this.#factor) return;
    this.#shown = shown;
    this.#factor = factor;
    for (const { endpoint } of this.#contributions.values()) this.#merged.refresh(endpoint.key);
  }

  #remove(contribution: Contribution): void {
    this.#merged.remove(contribution);
    if (!this.#isAt(contribution.endpoint.key)) this.#size--;
  }

  #isAt(address: string): boolean {
    return this.#merged.found(address).some(({ group }) => group === this);
  }
}

function isUsable({ instance, weight }: ResolvedEndpoint): boolean {
  return instance.enabled && instance.healthy && weight > 0;
}

function merge(shown: readonly Contribution[]): ResolvedEndpoint {
  const first = shown[0] as Contribution;
  if (shown.length === 1 && first.group.factor === 1) return first.endpoint;
  const weight = weightOf(shown);
  if (shown.length === 1) return first.endpoint.weight === weight ? first.endpoint : { ...first.endpoint, weight };
  const primary = shown.find(({ endpoint }) => isUsable(endpoint)) ?? first;
  const others = shown.filter((one) => one !== primary).map(({ endpoint }) => endpoint);
  return { ...primary.endpoint, weight, others };
}

/** The largest of those that may be called; where two models share the calls, the sum of their shares. */
function weightOf(shown: readonly Contribution[]): number {
  const usable = shown.filter(({ endpoint }) => isUsable(endpoint));
  if (usable.length === 0) return (shown[0] as Contribution).endpoint.weight;
  const byModel = new Map<string, number>();
  for (const { endpoint, group } of usable)
    byModel.set(group.model, Math.max(byModel.get(group.model) ?? 0, endpoint.weight * group.factor));
  const weights = [...byModel.values()];
  const weight = usable.some(({ group }) => group.factor !== 1)
    ? weights.reduce((sum, share) => sum + share, 0)
    : Math.max(...weights);
  return Math.max(1, Math.round(weight));
}

const NO_OTHERS: readonly ResolvedEndpoint[] = [];

function sameEndpoint(a: ResolvedEndpoint, b: ResolvedEndpoint): boolean {
  if (a === b) return true;
  const { others = NO_OTHERS } = a;
  const { others: more = NO_OTHERS } = b;
  return (
    a.instance === b.instance &&
    a.service === b.service &&
    a.registryId === b.registryId &&
    a.weight === b.weight &&
    others.length === more.length &&
    others.every((other, index) => other === more[index])
  );
}
