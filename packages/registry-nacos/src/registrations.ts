import { ClosedError, Reconciler, type Runtime, type Watched, WatchedCell } from "@dubhe/concurrency";
import { type Instance, instanceKey, type Registration, type RegistrationState, sameInstance } from "@dubhe/discovery";
import { NacosError, toError } from "./errors.js";
import type { NacosEventListener } from "./events.js";
import { instanceToWire } from "./instance-codec.js";
import { type InstanceBody, RequestType } from "./messages.js";
import { instanceProblem } from "./param-rules.js";
import type { NacosSession, SessionObserver } from "./session.js";
import { describeStatus, type NamingScope, RETRY_BACKOFF, serviceScope } from "./subscriptions.js";

/** What the instances of `Registrations` are. */
export interface RegistrationForm {
  /** Two with the same identity: the newer one counts. */
  identity(instance: Instance): string;
  toWire(instance: Instance): InstanceBody;
}

const APPLICATION_FORM: RegistrationForm = { identity: instanceKey, toWire: instanceToWire };

/**
 * What this process publishes. On a Nacos connection there is one publication per service, and each request replaces it
 * (tried): a second single registration would silently overwrite the first (dubbo-go #2581). So every change of an
 * application sends all of it, made when it is sent; subscribers never see a gap.
 *
 * A Nacos server lets several connections publish the same address, and shows both: nobody's leftover can stand in the
 * way of ours, and ours goes with our connection.
 */
export class Registrations implements SessionObserver {
  readonly #runtime: Runtime;
  readonly #session: NacosSession;
  readonly #scope: NamingScope;
  readonly #form: RegistrationForm;
  /** By application, in the order of `register`. */
  readonly #registrations = new Map<string, Set<NacosRegistration>>();
  /** One instance of what was sent last, by application: a withdrawal must name one. */
  readonly #sent = new Map<string, Instance>();
  /** Applications of which the server took something in this session. */
  readonly #taken = new Set<string>();
  /** Those of which it may have taken something: it was asked in this session, and no answer came. */
  readonly #unanswered = new Set<string>();
  /** The desired value is a number: another one = the set has changed. */
  readonly #wanted: Reconciler<string, number>;
  #nextChange = 1;
  #closed = false;

  constructor(
    runtime: Runtime,
    session: NacosSession,
    scope: NamingScope,
    onEvent?: NacosEventListener,
    form: RegistrationForm = APPLICATION_FORM,
  ) {
    this.#runtime = runtime;
    this.#session = session;
    this.#scope = scope;
    this.#form = form;
    this.#wanted = new Reconciler<string, number>(runtime, {
      apply: (application, change, { signal }) => this.#apply(application, change !== undefined, signal),
      onError: (application, error) => {
        onEvent?.({ kind: "registration-failed", application, error: toError(error) });
        this.#each(application, (registration) => registration.failed(toError(error)));
      },
      // Settled = the server has the newest set, which is the set of all registrations of the application.
      onStatus: (application, status) => {
        if (status?.state !== "settled") return;
        this.#taken.add(application);
        onEvent?.({ kind: "registered", application, instances: this.#registrations.get(application)?.size ?? 0 });
        this.#each(application, (registration) => registration.confirmed());
      },
      backoff: RETRY_BACKOFF,
      paused: true,
    });
    session.addObserver(this);
  }

  register(instance: Instance): Registration {
    if (this.#closed) return this.#tooLate(instance);
    const registration = new NacosRegistration(this.#runtime, instance, {
      changed: () => this.#changed(instance.application),
      dispose: () => this.#dispose(registration),
    });
    let registrations = this.#registrations.get(instance.application);
    if (registrations === undefined) this.#registrations.set(instance.application, (registrations = new Set()));
    registrations.add(registration);
    this.#changed(instance.application);
    const { lastError } = this.#session;
    if (!this.#session.up && lastError !== undefined) registration.waits(lastError);
    return registration;
  }

  onUp(epoch: number): void {
    this.#taken.clear();
    this.#unanswered.clear();
    for (const application of this.#registrations.keys())
      this.#each(application, (registration) => registration.pending());
    this.#wanted.invalidate(epoch);
    this.#wanted.resume();
  }

  onDown(error: Error): void {
    this.#wanted.pause();
    for (const application of this.#registrations.keys())
      this.#each(application, (registration) => registration.waits(error));
  }

  inspect(): object {
    return [...this.#registrations].map(([application, registrations]) => ({
      application,
      state: describeStatus(this.#wanted.status(application)),
      instances: [...registrations].map(({ instance, state, error }) => ({
        address: instanceKey(instance),
        state: state.value,
        ...(error === undefined ? {} : { error: error.message }),
      })),
    }));
  }

  /** Withdraws everything while there is a session; without one the server has forgotten it, or will. */
  async close(boundMs: number): Promise<void> {
    this.#closed = true;
    await this.#wanted.close({ boundMs });
    for (const application of this.#registrations.keys()) this.#each(application, (registration) => registration.end());
    this.#registrations.clear();
  }

  async #apply(application: string, wanted: boolean, signal: AbortSignal): Promise<void> {
    const instances = wanted ? this.#instancesOf(application) : [];
    const [first] = instances;
    if (first === undefined) {
      const any = this.#sent.get(application);
      if (any === undefined) return;
      // Takes the whole publication of this connection away, whatever instance it names.
      const body = { ...this.#service(application), type: "deregisterInstance", instance: this.#form.toWire(any) };
      try {
        await this.#session.request(RequestType.instance, body, signal);
      } catch (error) {
        // When the registry closes, the connection ends next, and takes with it what it published. And who may not register may not
        // deregister either.
        const nothingThere =
          error instanceof NacosError &&
          !this.#taken.has(application) &&
          (error.final || !this.#unanswered.has(application));
        if (!this.#closed && !nothingThere) throw error;
      }
      this.#sent.delete(application);
      this.#taken.delete(application);
      this.#unanswered.delete(application);
      return;
    }
    const bodies = instances.map((instance) => this.#form.toWire(instance));
    for (const body of bodies) {
      // The server's own rule, before it costs a round trip: the metadata of an instance has a small limit.
      const problem = instanceProblem(body);
      if (problem !== undefined) throw new Error(`${body.ip}:${body.port} of ${application}: ${problem}`);
    }
    this.#sent.set(application, first);
    try {
      await this.#publish(application, bodies, signal);
    } catch (error) {
      if (!(error instanceof NacosError)) this.#unanswered.add(application);
      throw error;
    }
  }

  async #publish(application: string, bodies: readonly InstanceBody[], signal: AbortSignal): Promise<void> {
    if (bodies.length === 1) {
      const body = { ...this.#service(application), type: "registerInstance", instance: bodies[0] };
      await this.#session.request(RequestType.instance, body, signal);
    } else {
      const body = { ...this.#service(application), type: "batchRegisterInstance", instances: bodies };
      await this.#session.request(RequestType.batchInstance, body, signal);
    }
  }

  /** A close cannot be known to everybody at once: who comes too late is told so, and nothing happens. */
  #tooLate(instance: Instance): Registration {
    const owner = { changed: () => undefined, dispose: () => Promise.resolve() };
    const registration = new NacosRegistration(this.#runtime, instance, owner);
    registration.failed(new ClosedError(`register ${instanceKey(instance)}: the registry`));
    registration.end();
    return registration;
  }

  #changed(application: string): void {
    if (this.#registrations.has(application)) this.#wanted.want(application, this.#nextChange++);
    else this.#wanted.unwant(application);
  }

  /** The newest registration of an identity is the one that counts. */
  #instancesOf(application: string): Instance[] {
    const byIdentity = new Map<string, Instance>();
    this.#each(application, ({ instance }) => byIdentity.set(this.#form.identity(instance), instance));
    return [...byIdentity.values()];
  }

  async #dispose(registration: NacosRegistration): Promise<void> {
    const { application } = registration.instance;
    const registrations = this.#registrations.get(application);
    registrations?.delete(registration);
    if (registrations?.size === 0) this.#registrations.delete(application);
    registration.end();
    this.#changed(application);
    // Resolves when the server confirmed, or when the session that could hold the instance is gone.
    await this.#wanted.settled(application, this.#session.lost).catch(() => undefined);
  }

  #each(application: string, fn: (registration: NacosRegistration) => void): void {
    for (const registration of this.#registrations.get(application) ?? []) fn(registration);
  }

  #service(application: string): object {
    return serviceScope(this.#scope, application);
  }
}

interface RegistrationOwner {
  changed(): void;
  dispose(): Promise<void>;
}

class NacosRegistration implements Registration {
  readonly #state: WatchedCell<RegistrationState>;
  readonly #owner: RegistrationOwner;
  #instance: Instance;
  #error: Error | undefined;
  #disposed: Promise<void> | undefined;

  constructor(runtime: Runtime, instance: Instance, owner: RegistrationOwner) {
    this.#state = new WatchedCell<RegistrationState>(runtime, "pending");
    this.#instance = instance;
    this.#owner = owner;
  }

  get state(): Watched<RegistrationState> {
    return this.#state;
  }

  get error(): Error | undefined {
    return this.#error;
  }

  get instance(): Instance {
    return this.#instance;
  }

  update(instance: Instance): void {
    const { application } = this.#instance;
    if (instance.application !== application || instanceKey(instance) !== instanceKey(this.#instance)) {
      throw new TypeError(
        `update of ${instanceKey(this.#instance)} of ${application} to ${instanceKey(instance)} of ${instance.application}: the identity must stay`,
      );
    }
    if (this.#disposed !== undefined || sameInstance(instance, this.#instance)) return;
    this.#instance = instance;
    this.pending();
    this.#owner.changed();
  }

  pending(): void {
    this.#set("pending", undefined);
  }

  /** There is no session: pending, with the reason to show. */
  waits(error: Error): void {
    this.#set("pending", error);
  }

  confirmed(): void {
    this.#set("confirmed", undefined);
  }

  failed(error: Error): void {
    this.#set("failed", error);
  }

  end(): void {
    this.#state.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#owner.dispose();
    return this.#disposed;
  }

  #set(state: RegistrationState, error: Error | undefined): void {
    this.#error = error;
    if (!this.#state.closed) this.#state.set(state);
  }
}
