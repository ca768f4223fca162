import type { HostInstance } from "./instance-body.js";

/** Names a service: namespaces and groups are separate worlds. */
export interface ServiceName {
  readonly namespace: string;
  readonly group: string;
  readonly name: string;
}

/** What one owner (a connection) says about one service: always its whole set, which replaces the one before. */
export interface Publication {
  readonly service: ServiceName;
  readonly owner: string;
  /** Process behind the owner; 0 = not known (other people's clients do not say). */
  readonly pid: number;
  /**
   * False for what a new host took over from its mirror: served as if nothing had happened, until its owner publishes
   * it again or the time for that is over.
   */
  readonly confirmed: boolean;
  /** Empty = withdrawn. */
  readonly instances: readonly HostInstance[];
}

/** What a method did. */
export interface NamingChange {
  /** Services whose subscribers see something else now. */
  readonly services: readonly ServiceName[];
  /** Publications that are new, replaced, or gone (without instances): what mirrors must hear. */
  readonly publications: readonly Publication[];
}

/**
 * What subscribers see of a service, as real Nacos shows it: without disabled instances, and an instance that two owners
 * publish with all the same fields once.
 */
export interface ServiceView {
  readonly service: ServiceName;
  /** Unix ms; grows strictly with every change of the service. */
  readonly lastRefTime: number;
  readonly hosts: readonly HostInstance[];
}

interface Service {
  readonly name: ServiceName;
  readonly publications: Map<string, Publication>;
  /** Each with the clusters that it asked for. */
  readonly subscribers: Map<string, string>;
  /** It had instances once: only then do lists name it. */
  listed: boolean;
  lastRefTime: number;
  /** Since when nobody publishes or subscribes; undefined while someone does. */
  emptySince: number | undefined;
}

/** Real Nacos drops a service that nobody uses after a minute; until then lists name it. */
const EMPTY_SERVICE_TTL_MS = 60_000;

/**
 * Services, their instances and who is subscribed. Pure state: no timers, no I/O; the caller passes the time (Unix ms)
 * and acts on what the methods return.
 */
export class NamingStore {
  readonly #services = new Map<string, Service>();
  readonly #byOwner = new Map<string, Set<Service>>();
  readonly #bySubscriber = new Map<string, Set<Service>>();
  /** Publications that wait for confirmation, in all services: 0 nearly always, which saves looking for them. */
  #unconfirmed = 0;

  get serviceCount(): number {
    return this.#services.size;
  }

  get unconfirmedCount(): number {
    return this.#unconfirmed;
  }

  /** Replaces what `owner` publishes for the service. What is unconfirmed never stands beside a confirmed one at its address. */
  publish(publication: Publication, now: number): NamingChange {
    if (!publication.confirmed) return this.#publishUnconfirmed(publication, now);
    return this.#publish(publication, now);
  }

  #publishUnconfirmed(publication: Publication, now: number): NamingChange {
    const confirmed = new Set<string>();
    for (const other of this.#services.get(keyOf(publication.service))?.publications.values() ?? []) {
      if (!other.confirmed) continue;
      if (other.owner === publication.owner) return NO_CHANGE;
      for (const instance of other.instances) confirmed.add(addressOf(instance));
    }
    const instances = publication.instances.filter((instance) => !confirmed.has(addressOf(instance)));
    return instances.length === 0 ? NO_CHANGE : this.#publish({ ...publication, instances }, now);
  }

  #publish(publication: Publication, now: number): NamingChange {
    const service = this.#service(publication.service, now);
    const removed: HostInstance[] = [];
    const publications = [publication];
    this.#replace(service, publication, removed);
    if (publication.confirmed && this.#unconfirmed > 0) this.#supersede(service, publication, removed, publications);
    const touched = !sameInstances(removed.filter(isVisible), publication.instances.filter(isVisible));
    noteEmpty(service, now);
    return { services: touched ? [touch(service, now)] : [], publications };
  }

  /** The owner's connection is gone, and with it everything it published. */
  dropOwner(owner: string, now: number): NamingChange {
    const held = [...this.publicationsOf(owner)];
    return this.#drop(held, now);
  }

  /** Drops what was taken over and never confirmed. */
  dropUnconfirmed(now: number): NamingChange {
    const held =
      this.#unconfirmed === 0 ? [] : [...this.publications()].filter((publication) => !publication.confirmed);
    return this.#drop(held, now);
  }

  subscribe(client: string, name: ServiceName, clusters: string, now: number): ServiceView {
    const service = this.#service(name, now);
    service.subscribers.set(client, clusters);
    service.emptySince = undefined;
    link(this.#bySubscriber, client, service);
    return viewOf(service);
  }

  unsubscribe(client: string, name: ServiceName, now: number): void {
    const service = this.#services.get(keyOf(name));
    if (service === undefined) return;
    service.subscribers.delete(client);
    unlink(this.#bySubscriber, client, service);
    noteEmpty(service, now);
  }

  dropSubscriber(client: string, now: number): void {
    for (const service of this.#bySubscriber.get(client) ?? []) {
      service.subscribers.delete(client);
      noteEmpty(service, now);
    }
    this.#bySubscriber.delete(client);
  }

  /** Each with the clusters that it asked for, "" = all. */
  subscribersOf(name: ServiceName): ReadonlyMap<string, string> {
    return this.#services.get(keyOf(name))?.subscribers ?? NOBODY;
  }

  view(name: ServiceName, now: number): ServiceView {
    const service = this.#services.get(keyOf(name));
    return service === undefined ? { service: name, lastRefTime: now, hosts: [] } : viewOf(service);
  }

  /** Names in a namespace and group, sorted, a page of them. Pages count from 1. */
  list(
    namespace: string,
    group: string,
    page: number,
    size: number,
  ): { readonly count: number; readonly names: readonly string[] } {
    const names: string[] = [];
    for (const { name, listed } of this.#services.values()) {
      if (listed && name.namespace === namespace && name.group === group) names.push(name.name);
    }
    names.sort();
    return { count: names.length, names: names.slice((page - 1) * size, page * size) };
  }

  *publications(): IterableIterator<Publication> {
    for (const service of this.#services.values()) yield* service.publications.values();
  }

  *publicationsOf(owner: string): IterableIterator<Publication> {
    for (const service of this.#byOwner.get(owner) ?? []) {
      const publication = service.publications.get(owner);
      if (publication !== undefined) yield publication;
    }
  }

  /** Forgets services that nobody has used for a minute. */
  sweep(now: number): void {
    for (const [key, service] of this.#services) {
      if (service.emptySince !== undefined && now - service.emptySince >= EMPTY_SERVICE_TTL_MS)
        this.#services.delete(key);
    }
  }

  /** The one place where publications come and go. What went is added to `removed`. */
  #replace(service: Service, publication: Publication, removed: HostInstance[]): void {
    const { owner } = publication;
    const held = service.publications.get(owner);
    if (held !== undefined) {
      removed.push(...held.instances);
      if (!held.confirmed) this.#unconfirmed -= 1;
    }
    if (publication.instances.length === 0) {
      service.publications.delete(owner);
      unlink(this.#byOwner, owner, service);
    } else {
      service.publications.set(owner, publication);
      link(this.#byOwner, owner, service);
      if (!publication.confirmed) this.#unconfirmed += 1;
      service.listed = true;
      service.emptySince = undefined;
    }
  }

  /** A confirmed instance replaces the unconfirmed ones at its address, whoever owned them. */
  #supersede(service: Service, publication: Publication, removed: HostInstance[], publications: Publication[]): void {
    const addresses = new Set(publication.instances.map(addressOf));
    for (const other of [...service.publications.values()]) {
      if (other.confirmed) continue;
      const kept = other.instances.filter((instance) => !addresses.has(addressOf(instance)));
      if (kept.length === other.instances.length) continue;
      const rest = { ...other, instances: kept };
      const gone: HostInstance[] = [];
      this.#replace(service, rest, gone);
      removed.push(...gone.filter((instance) => addresses.has(addressOf(instance))));
      publications.push(rest);
    }
  }

  #drop(held: readonly Publication[], now: number): NamingChange {
    const changed = new Map<string, ServiceName>();
    const publications: Publication[] = [];
    for (const publication of held) {
      const key = keyOf(publication.service);
      const service = this.#services.get(key);
      if (service === undefined) continue;
      const gone = { ...publication, instances: [] };
      this.#replace(service, gone, []);
      publications.push(gone);
      noteEmpty(service, now);
      if (publication.instances.some(isVisible)) changed.set(key, touch(service, now));
    }
    return { services: [...changed.values()], publications };
  }

  #service(name: ServiceName, now: number): Service {
    const key = keyOf(name);
    let service = this.#services.get(key);
    if (service === undefined) {
      service = {
        name,
        publications: new Map(),
        subscribers: new Map(),
        listed: false,
        lastRefTime: now,
        emptySince: now,
      };
      this.#services.set(key, service);
    }
    return service;
  }
}

const NO_CHANGE: NamingChange = Object.freeze({ services: [], publications: [] });
const NOBODY: ReadonlyMap<string, string> = new Map();

function keyOf(name: ServiceName): string {
  return `${name.namespace}\0${name.group}\0${name.name}`;
}

function addressOf(instance: HostInstance): string {
  return `${instance.ip}#${instance.port}`;
}

function isVisible(instance: HostInstance): boolean {
  return instance.enabled;
}

function touch(service: Service, now: number): ServiceName {
  service.lastRefTime = Math.max(now, service.lastRefTime + 1);
  return service.name;
}

function noteEmpty(service: Service, now: number): void {
  if (service.publications.size > 0 || service.subscribers.size > 0) service.emptySince = undefined;
  else service.emptySince ??= now;
}

function link(index: Map<string, Set<Service>>, id: string, service: Service): void {
  const services = index.get(id);
  if (services === undefined) index.set(id, new Set([service]));
  else services.add(service);
}

function unlink(index: Map<string, Set<Service>>, id: string, service: Service): void {
  const services = index.get(id);
  services?.delete(service);
  if (services?.size === 0) index.delete(id);
}

function viewOf(service: Service): ServiceView {
  const hosts = new Map<string, HostInstance>();
  for (const publication of service.publications.values()) {
    for (const instance of publication.instances)
      if (isVisible(instance)) hosts.set(JSON.stringify(instance), instance);
  }
  return { service: service.name, lastRefTime: service.lastRefTime, hosts: [...hosts.values()] };
}

/** The same instances in whatever order: an owner that reconnects and says the same is no change. */
function sameInstances(a: readonly HostInstance[], b: readonly HostInstance[]): boolean {
  if (a.length !== b.length) return false;
  const left = a.map((instance) => JSON.stringify(instance)).sort();
  const right = b.map((instance) => JSON.stringify(instance)).sort();
  return left.every((text, index) => text === right[index]);
}
