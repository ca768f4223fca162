import { parseArgs } from "node:util";

/** What the gateway makes for every request. */
export const modes = {
  client: "app.client(Service): what the promise is about",
  options: "a client with its own interceptor, headers and timeout",
  group: "a client of another group each time (64 groups)",
  direct: "createClient(Service, address): its own pool and socket, no registry",
  app: "a whole App with registry session and pool, closed after the request",
} as const;
export type Mode = keyof typeof modes;

/** How one provider misbehaves when asked to; each must turn the exit status non-zero. */
export const faults = {
  none: "all providers behave",
  "wrong-content": "answers with a wrong digest",
  "early-end": "ends each exchange after its first reply as if all were well",
  "double-count": "counts each exchange twice, so that the two sides' counts differ",
  fail: "ends each exchange with an error of its own",
  stall: "stops answering in mid-exchange, so that the deadline ends it",
} as const;
export type Fault = keyof typeof faults;

export interface Options {
  /** Undefined = embedded registry on a private free port. */
  readonly registry: string | undefined;
  readonly mode: Mode;
  /** How many requests (= clients) in all; undefined = as many as fit in the duration. */
  readonly clients: number | undefined;
  readonly concurrency: number;
  readonly durationMs: number;
  readonly providers: number;
  /** Messages each way in one exchange. */
  readonly messages: number;
  readonly payloadBytes: number;
  readonly churn: boolean;
  readonly fault: Fault;
  /** Also fail when the heap after forced GC, or the counts of open things, grow. */
  readonly soak: boolean;
  readonly json: boolean;
}

export const help: string = `npm start -- [options]: the incident

Three providers and one gateway, each a process of its own. The gateway makes a client for every request and holds a
bidirectional exchange with a provider through it, while providers join, leave gracefully and are killed. It ends by
itself; exit status 0 = every promise held, 1 = one did not (the report says which), 2 = wrong options.

  --registry URL       embedded:, nacos://127.0.0.1:8848, …      (default: embedded on a private free port)
  --mode MODE          what is made for every request             (default: client)
${list(modes)}
  --clients N          requests in all                            (default: as many as fit in the duration)
  --concurrency N      requests at a time, 1 to 10000             (default: 500; 20 in mode app)
  --duration SECONDS   2 to 3600                                  (default: 15; the end of --clients ends it earlier)
  --providers N        providers at the start, 2 to 50            (default: 3)
  --messages N         messages each way in an exchange           (default: 3)
  --payload BYTES      payload of a message                       (default: 64)
  --no-churn           no provider joins, leaves or is killed
  --fault FAULT        makes one provider misbehave; the exit status must then be 1
${list(faults)}
  --soak               also check that heap and open things do not grow
  --json               print the report as JSON
  --help
`;

function list(entries: Readonly<Record<string, string>>): string {
  return Object.entries(entries)
    .map(([name, text]) => `                         ${name.padEnd(14)} ${text}`)
    .join("\n");
}

/** A wrong option; its message says what to write instead. */
export class OptionError extends Error {}

export function parseOptions(argv: readonly string[]): Options | "help" {
  const { values } = readArgs(argv);
  if (values.help) return "help";
  const mode = oneOf("--mode", values.mode ?? "client", modes);
  return {
    registry: values.registry,
    mode,
    clients: values.clients === undefined ? undefined : int("--clients", values.clients, 1, 1e9),
    concurrency: int("--concurrency", values.concurrency ?? (mode === "app" ? "20" : "500"), 1, 10_000),
    durationMs: int("--duration", values.duration ?? "15", 2, 3600) * 1000,
    providers: int("--providers", values.providers ?? "3", 2, 50),
    messages: int("--messages", values.messages ?? "3", 1, 100_000),
    payloadBytes: int("--payload", values.payload ?? "64", 0, 1 << 20),
    churn: !values["no-churn"],
    fault: oneOf("--fault", values.fault ?? "none", faults),
    soak: values.soak ?? false,
    json: values.json ?? false,
  };
}

function readArgs(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        registry: { type: "string" },
        mode: { type: "string" },
        clients: { type: "string" },
        concurrency: { type: "string" },
        duration: { type: "string" },
        providers: { type: "string" },
        messages: { type: "string" },
        payload: { type: "string" },
        "no-churn": { type: "boolean" },
        fault: { type: "string" },
        soak: { type: "boolean" },
        json: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new OptionError(`${(error as Error).message}\nSee npm start -- --help.`);
  }
}

function int(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new OptionError(`${name} takes a whole number from ${min} to ${max}, not "${text}".`);
  }
  return value;
}

function oneOf<T extends object>(name: string, text: string, choices: T): keyof T {
  if (!Object.hasOwn(choices, text)) {
    throw new OptionError(`${name} takes one of ${Object.keys(choices).join(", ")}, not "${text}".`);
  }
  return text as keyof T;
}
