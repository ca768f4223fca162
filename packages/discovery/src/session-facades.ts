import type { Runtime } from "@dubhe/concurrency";
import type { ConfigurationCenter } from "./configuration-center.js";
import { type InterfaceRegistry, refKey } from "./interface-registry.js";
import { type MetadataInfo, parseMetadataInfo } from "./metadata-info.js";
import { providerKey } from "./provider-url.js";
import type {
  InstancesWatch,
  MappingEntry,
  MetadataReport,
  Registration,
  RegistryNames,
  ServiceNameMapping,
} from "./registry.js";
import type { RegistrySession } from "./registry-driver.js";
import type { SessionTask, StatefulTask } from "./session-task.js";
import { MappingEntryTask, MetadataTask, ProviderTask } from "./session-tasks.js";
import { configurationWatch, mappingWatch, providersWatch } from "./session-watch.js";

/** What keeps tasks true; the parts of a `Registry` are views of it. */
export interface TaskKeeper {
  readonly runtime: Runtime;
  /** From now on this task stands for the key; an older one has ended. */
  want(key: string, task: SessionTask): void;
  /** Applies the task again, although it is confirmed. */
  again(key: string, task: SessionTask): void;
  /** Resolves when it is withdrawn, or there is no session any more to withdraw it from. */
  unwant(key: string, task: SessionTask): Promise<void>;
  /** The newest task of the key. */
  task(key: string): SessionTask | undefined;
  /** One request in the session of now; rejects without one. */
  request<T>(
    what: string,
    signal: AbortSignal,
    fn: (session: RegistrySession, signal: AbortSignal) => Promise<T>,
  ): Promise<T>;
  /** Waits for a session first. */
  readonly requestWhenUp: TaskKeeper["request"];
}

export function keptWatch(keeper: TaskKeeper, key: string, task: SessionTask): InstancesWatch {
  keeper.want(key, task);
  return {
    refresh: () => keeper.again(key, task),
    [Symbol.asyncDispose]: () => keeper.unwant(key, task),
  };
}

/** A registration of one kind or the other: what is replaced differs, how does not. */
export function keptRegistration<T>(
  keeper: TaskKeeper,
  key: string,
  task: StatefulTask & { replace(next: T): boolean },
): Omit<Registration, "update"> & { update(next: T): void } {
  keeper.want(key, task);
  return {
    state: task.state,
    get error() {
      return task.error;
    },
    update: (next) => {
      if (task.replace(next)) keeper.again(key, task);
    },
    [Symbol.asyncDispose]: () => keeper.unwant(key, task),
  };
}

export function sessionMapping(keeper: TaskKeeper): ServiceNameMapping {
  return {
    watch: (serviceInterface, sink) => {
      const key = `mapping-watch ${serviceInterface}`;
      const task = mappingWatch(serviceInterface, sink);
      keeper.want(key, task);
      return { [Symbol.asyncDispose]: () => keeper.unwant(key, task) };
    },
    add: (serviceInterface, application) =>
      sharedEntry(
        keeper,
        `mapping ${serviceInterface} ${application}`,
        () => new MappingEntryTask(keeper.runtime, serviceInterface, application),
      ),
  };
}

export function sessionMetadata(keeper: TaskKeeper, listable: boolean): MetadataReport {
  const publish = (info: MetadataInfo): MappingEntry => {
    const key = `metadata ${info.app} ${info.revision}`;
    const entry = sharedEntry(keeper, key, () => new MetadataTask(keeper.runtime, info));
    const task = keeper.task(key);
    if (task instanceof MetadataTask && task.replace(info)) keeper.again(key, task);
    return entry;
  };
  const fetch: MetadataReport["fetch"] = async (application, revision, signal) => {
    const text = await keeper.request(`metadata of ${application}`, signal, (session, s) =>
      session.readMetadata(application, revision, s),
    );
    if (text === undefined) return undefined;
    const parsed = parseMetadataInfo(text);
    if (!parsed.ok) throw new Error(parsed.reason);
    return parsed.info;
  };
  if (!listable) return { fetch, publish };
  return {
    fetch,
    publish,
    revisions: (application, signal) =>
      keeper.request(`metadata of ${application}`, signal, async (session, s) => {
        if (session.listMetadata === undefined) throw new Error("the session cannot list metadata");
        return session.listMetadata(application, s);
      }),
    remove: (application, revision, signal) =>
      keeper.request(`metadata of ${application}`, signal, async (session, s) => {
        if (session.removeMetadata === undefined) throw new Error("the session cannot remove metadata");
        await session.removeMetadata(application, revision, s);
      }),
  };
}

export function sessionInterfaces(keeper: TaskKeeper): InterfaceRegistry {
  return {
    watch: (ref, sink) => keptWatch(keeper, `providers-watch ${refKey(ref)}`, providersWatch(ref, sink)),
    register: (provider) =>
      keptRegistration(keeper, `provider ${providerKey(provider)}`, new ProviderTask(keeper.runtime, provider)),
  };
}

/** For tools: they wait for a session, and ask once. */
export function sessionNames(keeper: TaskKeeper): RegistryNames {
  return {
    applications: (signal) =>
      keeper.requestWhenUp("the names of applications", signal, async (session, s) => {
        if (session.listApplications === undefined) throw new Error("the session cannot list applications");
        return session.listApplications(s);
      }),
    interfaces: (signal) =>
      keeper.requestWhenUp("the names of interfaces", signal, async (session, s) => {
        if (session.listInterfaces === undefined) throw new Error("the session cannot list interfaces");
        return session.listInterfaces(s);
      }),
  };
}

export function sessionConfiguration(keeper: TaskKeeper): ConfigurationCenter {
  return {
    watch: (group, key, sink) => {
      const name = `configuration ${group} ${key}`;
      const task = configurationWatch(group, key, sink);
      keeper.want(name, task);
      return { [Symbol.asyncDispose]: () => keeper.unwant(name, task) };
    },
  };
}

/** Those who want the same entry share the task, which ends with the last of them. */
function sharedEntry(keeper: TaskKeeper, key: string, create: () => StatefulTask): MappingEntry {
  let task = keeper.task(key) as StatefulTask | undefined;
  if (task === undefined) {
    task = create();
    keeper.want(key, task);
  }
  const shared = task;
  shared.holders++;
  let held = true;
  return {
    state: shared.state,
    get error() {
      return shared.error;
    },
    [Symbol.asyncDispose]: async () => {
      if (!held) return;
      held = false;
      shared.holders--;
      if (shared.holders === 0) await keeper.unwant(key, shared);
    },
  };
}
