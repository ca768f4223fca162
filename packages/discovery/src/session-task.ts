import { type Runtime, type Watched, WatchedCell } from "@dubhe/concurrency";
import type { RegistrationState } from "./registry.js";
import type { RegistrySession } from "./registry-driver.js";

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
  /** Whoever wants it reads, so a pause in which nothing could be pushed must end with a read. */
  readonly reads: boolean = false;

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
  /** The session is silent for now; what is confirmed in it may still hold. */
  suspended(_error: Error, _epoch: number): void {}
  /** The session in which it was confirmed has ended. */
  lost(): void {}
}

/** A task that somebody watches the state of. */
export abstract class StatefulTask extends SessionTask {
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
