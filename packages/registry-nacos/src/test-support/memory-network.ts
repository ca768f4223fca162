import { offAbort, onAbort, type Runtime, type Timer } from "@dubhe/concurrency";
import { EmbeddedHost, type HostOptions, type HostReply } from "../embedded/host.js";
import { isObject } from "../json.js";
import { type Envelope, envelopeOf } from "../payload.js";
import { grpcAddress, type Link, type LinkRequestOptions, type ServerAddress, type Transport } from "../transport.js";

/** What happens to a request instead of its being answered. */
export type Fault = "drop" | "lose-answer" | Error | HostReply;

interface MemoryServer {
  readonly host: EmbeddedHost;
  readonly links: Map<string, MemoryLink>;
  /** Answers nothing, and reads nothing, as a stopped process. */
  frozen: boolean;
}

/** Servers and connections in memory, in virtual time, with faults: what a test of the client's behaviour needs. */
export class MemoryNetwork implements Transport {
  /** One way, ms. */
  latencyMs = 1;
  /** Decides about each request; undefined = let it through. */
  fault: (type: string, body: Record<string, unknown>) => Fault | undefined = () => undefined;
  /** Changes what the servers say, answers and pushes. */
  corrupt: (type: string, body: Record<string, unknown>) => Record<string, unknown> = (_type, body) => body;
  /** Changes their bytes. */
  mangle: (type: string, bytes: Uint8Array) => Uint8Array = (_type, bytes) => bytes;
  /** Pushes that get lost. */
  dropPush: (type: string) => boolean = () => false;
  /** Sees each request with its application headers. */
  observe: (type: string, headers: Readonly<Record<string, string>>) => void = () => undefined;
  /** Type names of the requests that reached a server, in order. */
  readonly requests: string[] = [];
  connects = 0;
  readonly #runtime: Runtime;
  readonly #servers = new Map<string, MemoryServer>();
  #nextClient = 1;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  start(server: ServerAddress, options: Partial<HostOptions> = {}): EmbeddedHost {
    const links = new Map<string, MemoryLink>();
    const output = {
      push: (client: string, type: string, body: object) => links.get(client)?.push({ type, body: clone(body) }),
      disconnect: (client: string) => links.get(client)?.end(new Error("the server ended the stream")),
    };
    const host = new EmbeddedHost(this.#runtime, output, {
      pid: 1,
      id: `host${this.#nextClient++}`,
      startingMs: 0,
      ...options,
    });
    this.#servers.set(grpcAddress(server), { host, links, frozen: false });
    return host;
  }

  /** As SIGKILL: connections break, all state is gone. */
  kill(server: ServerAddress): void {
    const killed = this.#servers.get(grpcAddress(server));
    this.#servers.delete(grpcAddress(server));
    for (const link of killed?.links.values() ?? []) link.end(new Error("ECONNRESET"));
    killed?.host.close();
  }

  freeze(server: ServerAddress, frozen: boolean): void {
    const target = this.#servers.get(grpcAddress(server));
    if (target !== undefined) target.frozen = frozen;
  }

  /** Connections break; the server lives. */
  breakLinks(server: ServerAddress): void {
    for (const link of [...(this.#servers.get(grpcAddress(server))?.links.values() ?? [])])
      link.end(new Error("ECONNRESET"));
  }

  /** Pushes something that an embedded host never would. */
  push(server: ServerAddress, type: string, body: Record<string, unknown>): void {
    for (const link of this.#servers.get(grpcAddress(server))?.links.values() ?? []) link.push({ type, body });
  }

  /** A request by somebody else, at once. */
  ask(server: ServerAddress, type: string, body: Record<string, unknown>): HostReply {
    const target = this.#servers.get(grpcAddress(server));
    if (target === undefined) throw new Error(`nobody listens at ${grpcAddress(server)}`);
    target.host.connected("somebody");
    target.host.received("somebody", { type: "ConnectionSetupRequest", headers: {}, body: {} });
    return target.host.request("somebody", { type, body });
  }

  linksOf(server: ServerAddress): number {
    return this.#servers.get(grpcAddress(server))?.links.size ?? 0;
  }

  async connect(server: ServerAddress, receive: (message: Envelope) => void, signal: AbortSignal): Promise<Link> {
    this.connects += 1;
    await this.wait();
    signal.throwIfAborted();
    const target = this.#servers.get(grpcAddress(server));
    if (target === undefined)
      throw Object.assign(new Error(`connect ECONNREFUSED ${grpcAddress(server)}`), { code: "ECONNREFUSED" });
    const id = `client${this.#nextClient++}`;
    const link = new MemoryLink(this, this.#runtime, target, id, receive);
    target.links.set(id, link);
    target.host.connected(id);
    return link;
  }

  /** As it comes out of a socket. */
  message(type: string, body: object): Envelope {
    return envelopeOf(type, {}, this.mangle(type, new TextEncoder().encode(JSON.stringify(body))));
  }

  wait(): Promise<void> {
    return new Promise((resolve) => {
      this.#runtime.clock.setTimeout(resolve, this.latencyMs);
    });
  }
}

class MemoryLink implements Link {
  readonly closed: Promise<Error | undefined>;
  readonly #network: MemoryNetwork;
  readonly #runtime: Runtime;
  readonly #server: MemoryServer;
  readonly #id: string;
  readonly #receive: (message: Envelope) => void;
  readonly #waiting = new Set<(error: Error) => void>();
  #resolveClosed: (reason: Error | undefined) => void = () => undefined;
  #ended = false;

  constructor(
    network: MemoryNetwork,
    runtime: Runtime,
    server: MemoryServer,
    id: string,
    receive: (message: Envelope) => void,
  ) {
    this.#network = network;
    this.#runtime = runtime;
    this.#server = server;
    this.#id = id;
    this.#receive = receive;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
  }

  request(type: string, body: object, options: LinkRequestOptions): Promise<Envelope> {
    return new Promise((resolve, reject) => {
      if (this.#ended) return reject(new Error("the connection is closed"));
      const timer: Timer = this.#runtime.clock.setTimeout(
        () => fail(new Error(`${type} timed out`)),
        options.timeoutMs,
      );
      const done = (): void => {
        timer.cancel();
        this.#waiting.delete(fail);
        if (options.signal !== undefined) offAbort(options.signal, abort);
      };
      const fail = (error: Error): void => {
        done();
        reject(error);
      };
      const abort = (): void => fail(options.signal?.reason as Error);
      if (options.signal !== undefined) onAbort(options.signal, abort);
      this.#waiting.add(fail);
      if (options.signal?.aborted) return abort();
      this.#network.observe(type, options.headers ?? {});
      void this.#exchange(type, clone(body)).then((answer) => {
        if (answer === undefined || this.#ended) return;
        if (answer instanceof Error) return fail(answer);
        done();
        resolve(answer);
      });
    });
  }

  async #exchange(type: string, body: Record<string, unknown>): Promise<Envelope | Error | undefined> {
    await this.#network.wait();
    const fault = this.#network.fault(type, body);
    if (fault === "drop" || this.#server.frozen || this.#ended) return undefined;
    if (fault instanceof Error) return fault;
    this.#network.requests.push(type);
    const reply = isObject(fault)
      ? (fault as unknown as HostReply)
      : this.#server.host.request(this.#id, { type, body });
    if (fault === "lose-answer") return undefined;
    await this.#network.wait();
    return this.#network.message(reply.type, this.#network.corrupt(reply.type, clone(reply.body)));
  }

  send(type: string, body: object): void {
    void this.#network.wait().then(() => {
      if (!this.#ended && !this.#server.frozen)
        this.#server.host.received(this.#id, { type, headers: {}, body: clone(body) });
    });
  }

  push({ type, body: pushed }: Pick<Envelope, "type" | "body">): void {
    if (this.#network.dropPush(type)) return;
    void this.#network.wait().then(() => {
      const body = this.#network.corrupt(type, clone(pushed));
      if (!this.#ended && !this.#server.frozen) this.#receive(this.#network.message(type, body));
    });
  }

  async close(): Promise<void> {
    this.end(undefined);
    await this.closed;
  }

  destroy(reason?: Error): void {
    this.end(reason);
  }

  end(reason: Error | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#server.links.delete(this.#id);
    for (const fail of [...this.#waiting]) fail(reason ?? new Error("the connection is closed"));
    this.#resolveClosed(reason);
    this.#server.host.disconnected(this.#id);
  }
}

function clone(body: object): Record<string, unknown> {
  return JSON.parse(JSON.stringify(body)) as Record<string, unknown>;
}
