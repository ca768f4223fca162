import { type Runtime, type Watched, WatchedCell } from "@dubhe/concurrency";
import { type Instance, instanceKey, sameInstance } from "./instance.js";
import { addToMapping, parseMapping } from "./mapping-value.js";
import { type MetadataInfo, stringifyMetadataInfo } from "./metadata-info.js";
import type { InstancesEvent, MappingEvent, RegistrationState } from "./registry.js";
import type { RegistrySession, SessionInstances, SessionMapping } from "./registry-driver.js";

/** What a task may use while it is applied. */
export interface SessionContext {
  readonly session: RegistrySession;
  readonly epoch: number;
  /** One request, with its limit in time. */
  request<T>(fn: (signal: AbortSignal) => Promise<T>): Promise<T>;
  /** Whether what this session pushes still counts. */
  live(): boolean;
}

/** Something that a SessionRegistry keeps true in every session. */
export abstract class SessionTask {
  /** Grows when it has to be applied again; `applied` is the version that the last successful apply began with. */
  version = 0;
  applied = -1;
  /** A server can lose it without ending the session. */
  readonly verifiable: boolean = true;

  /** `again`: it is already in force in this session, and is to be renewed. */
  abstract apply(context: SessionContext, again: boolean): Promise<void>;
  abstract withdraw(context: SessionContext): Promise<void>;
  /** Nobody wants to hear of it any more. */
  abstract end(): void;
  confirmed(): void {}
  /** An attempt failed; it is retried. */
  failed(_error: Error, _epoch: number): void {}
  /** There is no session to be had. */
  unreachable(_error: Error, _epoch: number): void {}
  /** The session in which it was confirmed has ended. */
  lost(): void {}
}

/** A task that somebody watches the state of. */
abstract class StatefulTask extends SessionTask {
  /** How many want it. */
  holders = 0;
  readonly #cell: WatchedCell<RegistrationState>;
  #error: Error | undefined;

  constructor(runtime: Runtime) {
    super();
    this.#cell = new WatchedCell<RegistrationState>(runtime, "pending");
  }

  get state(): Watched<RegistrationState> {
    return this.#cell;
  }

  get error(): Error | undefined {
    return this.#error;
  }

  end(): void {
    this.#cell.close();
  }

  override confirmed(): void {
    this.#set("confirmed", undefined);
  }

  override failed(error: Error): void {
    this.#set("failed", error);
  }

  override unreachable(error: Error): void {
    this.#set("pending", error);
  }

  override lost(): void {
    this.#set("pending", this.#error);
  }

  #set(state: RegistrationState, error: Error | undefined): void {
    this.#error = error;
    this.#cell.set(state);
  }
}

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

export class InstancesWatchTask extends SessionTask {
  /** Whoever watches asks for a refresh when it has heard nothing for too long. */
  override readonly verifiable: boolean = false;
  readonly #application: string;
  #sink: ((event: InstancesEvent) => void) | undefined;

  constructor(application: string, sink: (event: InstancesEvent) => void) {
    super();
    this.#application = application;
    this.#sink = sink;
  }

  /** Arm first, then pull: a change between the two is pushed. */
  async apply(context: SessionContext, again: boolean): Promise<void> {
    const { session } = context;
    if (!again) {
      const push = (list: SessionInstances): void => {
        if (context.live()) this.#deliver(context.epoch, list);
      };
      await context.request((signal) => session.watchInstances(this.#application, push, signal));
    }
    const list = await context.request((signal) => session.readInstances(this.#application, signal));
    if (context.live()) this.#deliver(context.epoch, list);
  }

  withdraw(context: SessionContext): Promise<void> {
    return context.request((signal) => context.session.unwatchInstances(this.#application, signal));
  }

  end(): void {
    this.#sink = undefined;
  }

  override failed(error: Error, epoch: number): void {
    this.#sink?.({ kind: "error", epoch, error });
  }

  override unreachable(error: Error, epoch: number): void {
    this.failed(error, epoch);
  }

  #deliver(epoch: number, { seq, instances, malformed }: SessionInstances): void {
    this.#sink?.({ kind: "instances", epoch, seq, instances, malformed });
  }
}

export class MappingWatchTask extends SessionTask {
  readonly #serviceInterface: string;
  #sink: ((event: MappingEvent) => void) | undefined;

  constructor(serviceInterface: string, sink: (event: MappingEvent) => void) {
    super();
    this.#serviceInterface = serviceInterface;
    this.#sink = sink;
  }

  async apply(context: SessionContext, again: boolean): Promise<void> {
    const { session } = context;
    if (!again) {
      const push = (mapping: SessionMapping): void => {
        if (context.live()) this.#deliver(context.epoch, mapping);
      };
      await context.request((signal) => session.watchMapping(this.#serviceInterface, push, signal));
    }
    const mapping = await context.request((signal) => session.readMapping(this.#serviceInterface, signal));
    if (context.live()) this.#deliver(context.epoch, mapping);
  }

  withdraw(context: SessionContext): Promise<void> {
    return context.request((signal) => context.session.unwatchMapping(this.#serviceInterface, signal));
  }

  end(): void {
    this.#sink = undefined;
  }

  override failed(error: Error, epoch: number): void {
    this.#sink?.({ kind: "error", epoch, error });
  }

  override unreachable(error: Error, epoch: number): void {
    this.failed(error, epoch);
  }

  #deliver(epoch: number, { seq, value }: SessionMapping): void {
    this.#sink?.({ kind: "mapping", epoch, seq, applications: parseMapping(value) });
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
  readonly #info: MetadataInfo;

  constructor(runtime: Runtime, info: MetadataInfo) {
    super(runtime);
    this.#info = info;
  }

  async apply(context: SessionContext): Promise<void> {
    const { session } = context;
    const { app, revision } = this.#info;
    const text = stringifyMetadataInfo(this.#info);
    if ((await context.request((signal) => session.readMetadata(app, revision, signal))) === text) return;
    await context.request((signal) => session.writeMetadata(app, revision, text, signal));
  }

  withdraw(): Promise<void> {
    return Promise.resolve();
  }
}
