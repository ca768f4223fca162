import { encodeProviderUrl, instanceKey } from "@dubhe/discovery";
import type { ZookeeperConfig } from "./config.js";
import { nodeNameProblem } from "./paths.js";

/** What stands beside the applications or the interfaces below Dubbo's root. */
const RESERVED: ReadonlySet<string> = new Set(["mapping", "config", "metadata"]);

/**
 * Where Dubbo keeps what. Every name is one path element; one that cannot be is refused before anything is sent (D-63).
 *
 *     /services/<application>/<host:port>             instances, ephemeral
 *     /dubbo/mapping/<interface>                      applications that export it, separated by commas
 *     /dubbo/metadata/<application>/<revision>        metadata of storage type remote, dubbo-java's place
 *     /dubbo/<application>/<revision>                 the same, dubbo-go's place
 *     /dubbo/<interface>/providers/<encoded URL>      interface-level discovery, ephemeral
 *     /dubbo/config/<group>/<key>                     configuration centre
 */
export class Layout {
  readonly #root: string;
  readonly #services: string;

  constructor(config: Pick<ZookeeperConfig, "root" | "servicesRoot">) {
    this.#root = config.root;
    this.#services = config.servicesRoot;
  }

  get applications(): string {
    return this.#services;
  }

  get mappings(): string {
    return `${this.#root}/mapping`;
  }

  /** Whether a child of `applications` is one: with one root for everything, not all are. */
  isApplication(name: string): boolean {
    return !this.#shared || !RESERVED.has(name);
  }

  /** Whether a child of an application may be an instance: with one root for everything, dubbo-go's metadata stands there too. */
  isInstance(name: string): boolean {
    return !this.#shared || name.includes(":");
  }

  get #shared(): boolean {
    return this.#services === this.#root;
  }

  application(name: string): string {
    if (!this.isApplication(name)) refuseReserved(name);
    return `${this.#services}/${element("application", name)}`;
  }

  instance(instance: { readonly application: string; readonly host: string; readonly port: number }): string {
    return `${this.application(instance.application)}/${element("address", instanceKey(instance))}`;
  }

  mapping(serviceInterface: string): string {
    return `${this.mappings}/${element("interface", serviceInterface)}`;
  }

  /** Of the metadata of an application: dubbo-java's place, then dubbo-go's. */
  metadata(application: string, revision: string): readonly [string, string] {
    const [java, go] = this.revisions(application);
    const name = element("revision", revision);
    return [`${java}/${name}`, `${go}/${name}`];
  }

  /** What `metadata` is in. */
  revisions(application: string): readonly [string, string] {
    refuseReserved(application);
    const name = element("application", application);
    return [`${this.#root}/metadata/${name}`, `${this.#root}/${name}`];
  }

  providers(serviceInterface: string): string {
    const name = encodeProviderUrl(serviceInterface);
    refuseReserved(name);
    return `${this.#root}/${element("interface", name)}/providers`;
  }

  configuration(group: string, key: string): string {
    return `${this.#root}/config/${element("group", group)}/${element("key", key)}`;
  }
}

function element(what: string, name: string): string {
  const problem = nodeNameProblem(name);
  if (problem !== undefined) throw new TypeError(`ZooKeeper cannot hold ${what} ${JSON.stringify(name)}: ${problem}`);
  return name;
}

function refuseReserved(name: string): void {
  if (RESERVED.has(name))
    throw new TypeError(`"${name}" cannot be a name here: ZooKeeper registries keep other data under it`);
}
