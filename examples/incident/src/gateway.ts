import { createHistogram, performance } from "node:perf_hooks";
import { type App, codeName, createApp, RpcError } from "dubhe";
import { addCounts, type Counts, laterCounts, noCounts, openThings, readCounts } from "./counts.js";
import { holdExchange, WrongContent } from "./exchange.js";
import type { Failure, FromChild, GatewayResult, GatewayStart, SoakSample, ToChild } from "./messages.js";
import { clientMakers } from "./modes.js";

/** Of one exchange; in mode app a takeover of the embedded registry may fall into it. */
const exchangeTimeoutMs = { client: 10_000, options: 10_000, group: 10_000, direct: 10_000, app: 20_000 } as const;

/** The gateway process: `concurrency` requests at a time, a client for each, until it is told to stop. */
class Gateway {
  readonly #start: GatewayStart;
  readonly #app: App;
  /** HDR histogram of microseconds. */
  readonly #latency = createHistogram({ lowest: 1, highest: 60_000_000, figures: 3 });
  readonly #failures = new Map<string, Failure>();
  readonly #wrongContents: string[] = [];
  readonly #completedBy = new Map<string, number>();
  readonly #repliesFrom = new Map<string, number>();
  readonly #soak: SoakSample[] = [];
  #addresses: readonly string[];
  /** Of the gateway's own App. */
  #counts: Counts = noCounts();
  /** Of the Apps that were made for requests, added up. */
  #perApp: Counts = noCounts();
  #appsMade = 0;
  #made = 0;
  #ok = 0;
  #failed = 0;
  #stopping = false;

  constructor(start: GatewayStart) {
    this.#start = start;
    this.#addresses = start.addresses;
    this.#app = createApp({ name: "incident-gateway", registry: start.registry });
  }

  async run(): Promise<GatewayResult> {
    const begun = performance.now();
    const reporting = setInterval(() => this.#report(), 250);
    const sampling = this.#start.soak ? setInterval(() => this.#sample(begun), 1000) : undefined;
    const workers = Array.from({ length: this.#start.concurrency }, () => this.#work());
    await Promise.all(workers);
    clearInterval(reporting);
    clearInterval(sampling);
    const elapsedMs = performance.now() - begun;
    const inspection = this.#app.inspect();
    this.#readCounts();
    const counts = this.#appsMade === 0 ? this.#counts : this.#perApp;
    await this.#app.close();
    return { ...this.#measured(elapsedMs), ...counts, leftOpen: await leftOpenAfter(2_000), inspection };
  }

  stop(): void {
    this.#stopping = true;
  }

  setAddresses(addresses: readonly string[]): void {
    this.#addresses = addresses;
  }

  async #work(): Promise<void> {
    const { mode, clients, messages, payloadBytes, registry, groups } = this.#start;
    const make = clientMakers[mode];
    const surroundings = {
      app: this.#app,
      registry,
      groups,
      addresses: () => this.#addresses,
      onAppDone: (app: App) => {
        this.#appsMade++;
        this.#perApp = addCounts(this.#perApp, readCounts(app));
      },
    };
    while (!this.#stopping) {
      if (clients !== undefined && this.#made >= clients) {
        send({ kind: "enough" });
        return;
      }
      const number = this.#made++;
      const begun = performance.now();
      const { client, address, done } = make(surroundings, number);
      try {
        const provider = await holdExchange(
          client,
          BigInt(number),
          messages,
          payloadBytes,
          exchangeTimeoutMs[mode],
          this.#countReply,
        );
        this.#latency.record(Math.max(1, Math.round((performance.now() - begun) * 1000)));
        this.#completedBy.set(provider, (this.#completedBy.get(provider) ?? 0) + 1);
        this.#ok++;
      } catch (error) {
        this.#failed++;
        this.#note(error, address);
      }
      await done();
    }
  }

  readonly #countReply = (provider: string): void => {
    this.#repliesFrom.set(provider, (this.#repliesFrom.get(provider) ?? 0) + 1);
  };

  #note(error: unknown, address: string): void {
    if (error instanceof WrongContent) {
      if (this.#wrongContents.length < 100) this.#wrongContents.push(error.message);
      return;
    }
    const failure = failureOf(error, address);
    const key = `${failure.code} ${failure.processed} ${failure.endpoint} ${failure.source}`;
    const known = this.#failures.get(key);
    if (known === undefined) this.#failures.set(key, failure);
    else known.count++;
  }

  #report(): void {
    this.#readCounts();
    const open = openThings(this.#app);
    send({
      kind: "progress",
      progress: {
        calls: this.#ok + this.#failed,
        failed: this.#failed,
        p50Ms: this.#latency.percentile(50) / 1000,
        p99Ms: this.#latency.percentile(99) / 1000,
        endpoints: open["endpoints"] ?? 0,
        connections: open["connections"] ?? 0,
        watches: open["instance watches"] ?? 0,
        rssMb: process.memoryUsage.rss() / 1e6,
      },
    });
  }

  #readCounts(): void {
    this.#counts = laterCounts(this.#counts, readCounts(this.#app));
  }

  #sample(begun: number): void {
    globalThis.gc?.();
    const heapMb = process.memoryUsage().heapUsed / 1e6;
    this.#soak.push({ atMs: performance.now() - begun, heapMb, open: openThings(this.#app) });
  }

  #measured(elapsedMs: number): Omit<GatewayResult, "discovery" | "pool" | "leftOpen" | "inspection"> {
    const h = this.#latency;
    const ms = (percentile: number) => h.percentile(percentile) / 1000;
    const { rss, heapUsed } = process.memoryUsage();
    return {
      calls: this.#ok + this.#failed,
      ok: this.#ok,
      failures: [...this.#failures.values()],
      wrongContents: this.#wrongContents,
      elapsedMs,
      latencyMs: { p50: ms(50), p90: ms(90), p99: ms(99), p999: ms(99.9), max: h.max / 1000, mean: h.mean / 1000 },
      completedBy: Object.fromEntries(this.#completedBy),
      repliesFrom: Object.fromEntries(this.#repliesFrom),
      clientsMade: this.#made,
      appsMade: this.#appsMade,
      memory: { rssMb: rss / 1e6, heapMb: heapUsed / 1e6 },
      soak: this.#soak,
    };
  }
}

function failureOf(error: unknown, address: string): Failure {
  if (!(error instanceof RpcError)) {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { code: "not an RpcError", processed: "", source: "", endpoint: "", message, count: 1 };
  }
  return {
    code: codeName(error.code),
    processed: error.processed,
    source: error.source,
    endpoint: error.attempts.at(-1)?.endpoint ?? address,
    message: error.rawMessage,
    count: 1,
  };
}

/** What still runs after everything was closed; sockets and worker threads take some turns to be gone. */
async function leftOpenAfter(boundMs: number): Promise<string[]> {
  const until = performance.now() + boundMs;
  while (leftOpen().length > 0 && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 10));
  return leftOpen();
}

/** Without the IPC channel to the parent and the standard streams. */
function leftOpen(): string[] {
  return process.getActiveResourcesInfo().filter((name) => /TCP|TLS|Timeout|Worker|MessagePort/.test(name));
}

function send(message: FromChild): void {
  if (process.connected) process.send?.(message);
}

process.on("disconnect", () => process.exit(0));
process.once("message", (message: ToChild) => {
  if (message.kind !== "gateway") return;
  const gateway = new Gateway(message);
  process.on("message", (later: ToChild) => {
    if (later.kind === "stop") gateway.stop();
    if (later.kind === "addresses") gateway.setAddresses(later.addresses);
  });
  gateway
    .run()
    .then((result) => send({ kind: "result", result }))
    .catch((error: unknown) => {
      send({ kind: "crash", error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    });
});
