import type { Runtime } from "@dubhe/concurrency";
import { type Instance, instanceKey, sameInstance } from "./instance.js";
import type { InterfaceProvider } from "./interface-registry.js";
import { addToMapping, parseMapping } from "./mapping-value.js";
import { type MetadataInfo, parseMetadataInfo, stringifyMetadataInfo } from "./metadata-info.js";
import { providerKey, sameProvider } from "./provider-url.js";
import { type SessionContext, StatefulTask } from "./session-task.js";
import { interfacesOf } from "./session-watch.js";

export class RegistrationTask extends StatefulTask {
  #instance: Instance;

  constructor(runtime: Runtime, instance: Instance) {
    super(runtime);
    this.#instance = instance;
  }

  /** False when nothing differs. */
  replace(instance: Instance): boolean {
    const old = this.#instance;
    if (old.application !== instance.application || instanceKey(old) !== instanceKey(instance)) {
      throw new TypeError(
        `an update cannot turn ${old.application} ${instanceKey(old)} into ${instance.application} ${instanceKey(instance)}`,
      );
    }
    if (sameInstance(old, instance)) return false;
    this.#instance = instance;
    this.lost();
    return true;
  }

  apply(context: SessionContext): Promise<void> {
    return context.request((signal) => context.session.register(this.#instance, signal));
  }

  withdraw(context: SessionContext): Promise<void> {
    return context.request((signal) => context.session.deregister(this.#instance, signal));
  }
}

export class ProviderTask extends StatefulTask {
  #provider: InterfaceProvider;

  constructor(runtime: Runtime, provider: InterfaceProvider) {
    super(runtime);
    this.#provider = provider;
  }

  /** False when nothing differs. */
  replace(provider: InterfaceProvider): boolean {
    const old = this.#provider;
    if (providerKey(old) !== providerKey(provider))
      throw new TypeError(`an update cannot turn ${providerKey(old)} into ${providerKey(provider)}`);
    if (sameProvider(old, provider)) return false;
    this.#provider = provider;
    this.lost();
    return true;
  }

  apply(context: SessionContext): Promise<void> {
    return context.request((signal) => interfacesOf(context.session).register(this.#provider, signal));
  }

  withdraw(context: SessionContext): Promise<void> {
    return context.request((signal) => interfacesOf(context.session).deregister(this.#provider, signal));
  }
}

export class MappingEntryTask extends StatefulTask {
  readonly #serviceInterface: string;
  readonly #application: string;

  constructor(runtime: Runtime, serviceInterface: string, application: string) {
    super(runtime);
    this.#serviceInterface = serviceInterface;
    this.#application = application;
  }

  /** A rejection for a lost race is retried after a backoff with jitter, as any other: fifty writers must not run in step. */
  async apply(context: SessionContext): Promise<void> {
    const { session } = context;
    const read = await context.request((signal) => session.readMapping(this.#serviceInterface, signal));
    const value = addToMapping(read.value, this.#application);
    if (value === undefined) return;
    const written = await context.request((signal) =>
      session.writeMapping(this.#serviceInterface, value, read, signal),
    );
    if (!written) throw new Error(`the mapping of ${this.#serviceInterface} was written by somebody else meanwhile`);
    // Some servers answer "written" and have not (nacos #11847), so look.
    const now = await context.request((signal) => session.readMapping(this.#serviceInterface, signal));
    if (!parseMapping(now.value).includes(this.#application)) {
      throw new Error(`the mapping of ${this.#serviceInterface} does not show ${this.#application} after writing it`);
    }
  }

  /** Others of the application may live: the entry stays. */
  withdraw(): Promise<void> {
    return Promise.resolve();
  }
}

export class MetadataTask extends StatefulTask {
  #info: MetadataInfo;

  constructor(runtime: Runtime, info: MetadataInfo) {
    super(runtime);
    this.#info = info;
  }

  /** Of two infos of one revision the content is equal; the newer one may say that it was renewed. */
  replace(info: MetadataInfo): boolean {
    if ((info.lastUpdatedTime ?? 0) <= (this.#info.lastUpdatedTime ?? 0)) return false;
    this.#info = info;
    return true;
  }

  async apply(context: SessionContext): Promise<void> {
    const { session } = context;
    const info = this.#info;
    const { app, revision } = info;
    const stored = await context.request((signal) => session.readMetadata(app, revision, signal));
    if (stored !== undefined && isAsNew(stored, info)) return;
    await context.request((signal) => session.writeMetadata(app, revision, stringifyMetadataInfo(info), signal));
  }

  withdraw(): Promise<void> {
    return Promise.resolve();
  }
}

/** Others that have the same content renew it too: of equal contents the newest time stays, or they would write in turns for ever. */
function isAsNew(stored: string, info: MetadataInfo): boolean {
  const parsed = parseMetadataInfo(stored);
  if (!parsed.ok || (parsed.info.lastUpdatedTime ?? 0) < (info.lastUpdatedTime ?? 0)) return false;
  return stored === stringifyMetadataInfo(withTime(info, parsed.info.lastUpdatedTime));
}

function withTime({ lastUpdatedTime: _, ...info }: MetadataInfo, time: number | undefined): MetadataInfo {
  return time === undefined ? info : { ...info, lastUpdatedTime: time };
}
