import { onAbort, type Timer } from "@dubhe/concurrency";
import type { InstancesEvent, MappingEvent, RegistryHealth } from "@dubhe/discovery";
import type { ConfiguredRegistry } from "dubhe/tools";
import { describeInstance } from "./catalog.js";
import { exclusionOf } from "./explain/candidates.js";
import { type Kind, kindArgument } from "./kind-argument.js";
import type { CommandLine } from "./options.js";
import { RegistryRefused } from "./registry-refusal.js";
import { Session } from "./session.js";
import { cutShortBy, cutShortCode, jsonText, marked, printable, type Terminal } from "./terminal.js";
import { UsageError } from "./usage.js";

/** Registries push what belongs to a name, but not new names: these are looked for so often. */
const namesEveryMs = 2_000;

type Sign = "+" | "~" | "-" | "!";
const events: Readonly<Record<Sign, string>> = { "+": "added", "~": "changed", "-": "removed", "!": "error" };

/** Follows until Ctrl-C, or until nobody reads any more, which are its proper ends: exit code 0. */
export async function runWatch(line: CommandLine, terminal: Terminal): Promise<number> {
  const { kind, names } = kindArgument(line.positionals, "watch");
  await using session = new Session(line.common, terminal, "watch");
  const writer = new ChangeWriter(terminal, line.common.json, session.registries.length > 1);
  const followers: Follower[] = [];
  try {
    for (const registry of session.registries) followers.push(new Follower(session, registry, kind, writer));
    await Promise.all(followers.map((follower) => follower.start(names)));
    await new Promise<void>((resolve) => {
      if (terminal.signal.aborted) resolve();
      else onAbort(terminal.signal, resolve);
    });
    return endOf(terminal);
  } catch (error) {
    if (terminal.signal.aborted) return endOf(terminal);
    throw error;
  } finally {
    await Promise.all(followers.map((follower) => follower[Symbol.asyncDispose]()));
  }
}

function endOf({ signal }: Terminal): number {
  return cutShortBy(signal) === "SIGTERM" ? cutShortCode(signal) : 0;
}

class ChangeWriter {
  readonly #terminal: Terminal;
  readonly #json: boolean;
  readonly #several: boolean;

  constructor(terminal: Terminal, json: boolean, several: boolean) {
    this.#terminal = terminal;
    this.#json = json;
    this.#several = several;
  }

  write(sign: Sign, registry: string, text: string, details: Readonly<Record<string, unknown>>): void {
    if (this.#json) {
      this.#terminal.out(jsonText({ event: events[sign], ...details, registry }));
      return;
    }
    const where = this.#several ? `  (${registry})` : "";
    if (sign === "!") this.#terminal.err(marked(this.#terminal, "note", `${text}${where}`));
    else this.#terminal.out(printable(`${sign} ${text}${where}`));
  }

  /** About a registry itself, which is followed on. */
  trouble(registry: string, error: string): void {
    if (this.#json) this.#terminal.out(jsonText({ event: events["!"], error, registry }));
    // Some errors begin with the registry of their own accord.
    else {
      const text = error.startsWith(registry) ? error : `${registry}: ${error}`;
      this.#terminal.err(marked(this.#terminal, "note", `${text} (still trying)`));
    }
  }

  /** After trouble. Of JSON the next change says so. */
  answersAgain(registry: string): void {
    if (!this.#json) this.#terminal.err(marked(this.#terminal, "ok", `${registry} answers again`));
  }
}

/** What one name had when it was last told. */
interface Known {
  readonly handle: AsyncDisposable;
  /** Key → what a line about it says. */
  entries: ReadonlyMap<string, string>;
  error: string | undefined;
}

/** One registry: a watch for each name, and new names as they are found. */
class Follower implements AsyncDisposable {
  readonly #session: Session;
  readonly #registry: ConfiguredRegistry;
  readonly #kind: Kind;
  readonly #writer: ChangeWriter;
  readonly #watches = new Map<string, Known>();
  readonly #health: Disposable;
  /** What is wrong with the registry, each said once until it answers again. */
  readonly #told = new Set<string>();
  readonly #closing = new AbortController();
  #timer: Timer | undefined;
  #lookingWhyDown = false;

  constructor(session: Session, registry: ConfiguredRegistry, kind: Kind, writer: ChangeWriter) {
    this.#session = session;
    this.#registry = registry;
    this.#kind = kind;
    this.#writer = writer;
    this.#health = registry.use.registry.health.subscribe((health) => this.#healthChanged(health));
  }

  get #closed(): boolean {
    return this.#closing.signal.aborted;
  }

  get #down(): boolean {
    return this.#registry.use.registry.health.value.state === "down";
  }

  /** Rejects when the registry cannot list its names and none are given. One that does not answer yet is asked again. */
  async start(names: readonly string[]): Promise<void> {
    if (names.length > 0) {
      for (const name of names) this.#follow(name);
      return;
    }
    await this.#lookNow();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    this.#health[Symbol.dispose]();
    this.#timer?.cancel();
    await Promise.all([...this.#watches.values()].map(({ handle }) => handle[Symbol.asyncDispose]()));
  }

  #look(): Promise<readonly string[] | undefined> {
    return this.#kind === "services"
      ? this.#session.interfaces(this.#registry)
      : this.#session.applications(this.#registry);
  }

  async #lookNow(): Promise<void> {
    try {
      const found = await this.#look();
      if (this.#closed) return;
      if (found === undefined)
        throw new UsageError(`${this.#registry.use.registry.id} cannot list its ${this.#kind}; name them`, "watch");
      this.#answers();
      for (const name of found) this.#follow(name);
    } catch (error) {
      if (this.#closed || this.#session.signal.aborted) return;
      if (error instanceof UsageError) throw error;
      // One that is down says so by its health.
      if (error instanceof RegistryRefused || !this.#down) this.#trouble((error as Error).message);
    }
    this.#lookLater();
  }

  #lookLater(): void {
    const again = (): void => {
      if (this.#down) return this.#lookLater();
      // Nobody waits any more for one that has come up, and turns out to list nothing.
      this.#lookNow().catch((error: unknown) => this.#trouble((error as Error).message));
    };
    this.#timer = this.#session.runtime.clock.setTimeout(again, namesEveryMs, { ref: true });
  }

  #healthChanged({ state }: RegistryHealth): void {
    if (state === "up") this.#answers();
    else if (state === "down") void this.#tellWhyDown();
  }

  /** Never rejects. */
  async #tellWhyDown(): Promise<void> {
    if (this.#closed || this.#lookingWhyDown) return;
    this.#lookingWhyDown = true;
    try {
      const refused = await this.#session.refusal(this.#registry, this.#closing.signal);
      if (this.#down)
        this.#trouble((refused ?? this.#registry.use.registry.health.value.error)?.message ?? "it is down");
    } catch {
      // The command has ended.
    } finally {
      this.#lookingWhyDown = false;
    }
  }

  #trouble(text: string): void {
    if (this.#closed || this.#told.has(text)) return;
    this.#told.add(text);
    this.#writer.trouble(this.#registry.use.registry.id, text);
  }

  #answers(): void {
    if (this.#closed || this.#told.size === 0) return;
    this.#told.clear();
    this.#writer.answersAgain(this.#registry.use.registry.id);
  }

  #follow(name: string): void {
    if (this.#watches.has(name)) return;
    const { registry } = this.#registry.use;
    const sink = (event: InstancesEvent | MappingEvent): void => this.#received(name, event);
    const handle = this.#kind === "services" ? registry.mapping.watch(name, sink) : registry.watch(name, sink);
    this.#watches.set(name, { handle, entries: new Map(), error: undefined });
  }

  #received(name: string, event: InstancesEvent | MappingEvent): void {
    const known = this.#watches.get(name);
    if (known === undefined || this.#closed) return;
    if (event.kind === "error") {
      // The registry goes on trying; what was known stays.
      const { message } = event.error;
      if (known.error === message) return;
      known.error = message;
      void this.#nameFailed(name, known, message);
      return;
    }
    known.error = undefined;
    const entries = new Map<string, string>();
    if (event.kind === "mapping") {
      if (event.applications.length > 0) entries.set(name, event.applications.join(", "));
    } else if (this.#kind === "applications") {
      const count = event.instances.length;
      if (count > 0) entries.set(name, count === 1 ? "1 instance" : `${count} instances`);
    } else {
      for (const instance of event.instances) {
        const { address, weight, revision } = describeInstance(instance);
        const state = exclusionOf(instance);
        entries.set(
          `${address} ${name}`,
          `weight ${weight}, revision ${revision}${state === undefined ? "" : `, ${state}`}`,
        );
      }
    }
    const before = known.entries;
    known.entries = entries;
    for (const [key] of before) if (!entries.has(key)) this.#tell("-", key, this.#details(key));
    for (const [key, text] of entries) {
      if (!before.has(key)) this.#tell("+", `${key}: ${text}`, this.#details(key, event));
      else if (before.get(key) !== text) this.#tell("~", `${key}: ${text}`, this.#details(key, event));
    }
  }

  /** A registry that is down says so once, not for each name. Never rejects. */
  async #nameFailed(name: string, known: Known, message: string): Promise<void> {
    await this.#session.healthTold();
    if (this.#closed || known.error !== message) return;
    if (this.#down) known.error = undefined;
    else this.#tell("!", `${name}: ${message}`, { name, error: message });
  }

  #details(key: string, event?: Exclude<InstancesEvent | MappingEvent, { kind: "error" }>): Record<string, unknown> {
    if (this.#kind === "services")
      return { service: key, ...(event?.kind === "mapping" ? { applications: event.applications } : undefined) };
    if (this.#kind === "applications")
      return { application: key, ...(event?.kind === "instances" ? { instances: event.instances.length } : undefined) };
    const [address = "", application = ""] = key.split(" ");
    const instance =
      event?.kind === "instances"
        ? event.instances.find((one) => describeInstance(one)["address"] === address)
        : undefined;
    return instance === undefined ? { application, address } : { ...describeInstance(instance) };
  }

  #tell(sign: Sign, text: string, details: Readonly<Record<string, unknown>>): void {
    this.#writer.write(sign, this.#registry.use.registry.id, text, details);
  }
}
