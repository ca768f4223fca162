import { createServer } from "node:net";
import { Churn } from "./churn.js";
import { GatewayProcess, ProviderProcess } from "./fleet.js";
import type { GatewayResult } from "./messages.js";
import { help, OptionError, type Options, parseOptions } from "./options.js";
import { ProgressLine, printReport } from "./report.js";
import { judge, type ProviderRecord } from "./verdict.js";

const groupCount = 64;
/** For what is left after the last request: closing, draining, the report. */
const closingMs = 30_000;

interface Outcome {
  readonly result: GatewayResult;
  readonly providers: readonly ProviderRecord[];
}

async function runIncident(options: Options): Promise<Outcome> {
  const registry = options.registry ?? `embedded://127.0.0.1:${await freePort()}`;
  const groups = options.mode === "group" ? Array.from({ length: groupCount }, (_, i) => `g${i}`) : [""];
  const providers: ProviderProcess[] = [];
  const startProvider = async (): Promise<ProviderProcess> => {
    const misbehaves = providers.length === 1;
    const fault = misbehaves ? options.fault : "none";
    const p = new ProviderProcess({ kind: "provider", name: `p${providers.length + 1}`, registry, fault, groups });
    providers.push(p);
    await p.ready;
    return p;
  };
  let gateway: GatewayProcess | undefined;
  try {
    for (let i = 0; i < options.providers; i++) await startProvider();
    const line = new ProgressLine(options);
    const { mode, concurrency, clients, messages, payloadBytes, soak } = options;
    const addresses = providers.map((p) => p.address);
    gateway = new GatewayProcess(
      { kind: "gateway", registry, mode, concurrency, clients, messages, payloadBytes, groups, addresses, soak },
      (progress) => line.show(progress),
    );
    const churn = new Churn(
      options,
      providers,
      startProvider,
      (list) => gateway?.setAddresses(list),
      (what) => line.note(what),
    );
    const timeUp = after(options.durationMs);
    await Promise.race([timeUp.passed, gateway.enough]);
    timeUp.cancel();
    await churn.stop();
    gateway.stop();
    const result = await within(closingMs, gateway.result, "the gateway did not report");
    gateway.end();
    line.end();
    await within(
      closingMs,
      Promise.all(providers.filter((p) => p.alive).map((p) => p.stop())),
      "a provider did not stop",
    );
    return { result, providers: providers.map((p) => p.record()) };
  } finally {
    gateway?.end();
    await Promise.all(providers.filter((p) => p.alive).map((p) => p.kill()));
  }
}

function after(ms: number): { passed: Promise<void>; cancel: () => void } {
  let timer: NodeJS.Timeout | undefined;
  const passed = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  return { passed, cancel: () => clearTimeout(timer) };
}

async function within<T>(ms: number, promise: Promise<T>, orElse: string): Promise<T> {
  const limit = after(ms);
  const late = limit.passed.then(() => {
    throw new Error(`${orElse} within ${ms / 1000} s`);
  });
  late.catch(() => {});
  try {
    return await Promise.race([promise, late]);
  } finally {
    limit.cancel();
  }
}

/** A port nobody holds now, for a registry of this run alone. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

async function main(): Promise<number> {
  let options: Options | "help";
  try {
    options = parseOptions(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    console.error(error.message);
    return 2;
  }
  if (options === "help") {
    console.log(help);
    return 0;
  }
  try {
    const { result, providers } = await runIncident(options);
    const checks = judge(options, result, providers);
    printReport(options, result, providers, checks);
    return checks.every((c) => c.held) ? 0 : 1;
  } catch (error) {
    console.error(`\n${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
}

process.exitCode = await main();
