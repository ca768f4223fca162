import { createServer, type Server, type Socket } from "node:net";
import type { TestContext } from "node:test";
import { createRuntime } from "@dubhe/concurrency";
import {
  createInstance,
  createMetadataInfo,
  type Instance,
  type MetadataInfo,
  MetadataKey,
  type Registry,
  type ServiceInfoInit,
} from "@dubhe/discovery";
import { configureRegistries } from "dubhe/tools";
import { runCli } from "../cli.js";
import type { Terminal } from "../terminal.js";

let count = 0;

/** A memory registry of its own, which the command finds by its URL. */
export function memoryUrl(): string {
  count += 1;
  return `memory:cli-${count}`;
}

export interface Run {
  readonly code: number;
  /** Times and free ports are told apart by nothing: `N ms`. */
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly colours?: boolean;
  readonly signal?: AbortSignal;
  readonly onLine?: (line: string) => void;
  readonly onErrLine?: (line: string) => void;
}

/** Runs `dubhe` in this process. */
export async function dubhe(args: readonly string[], options: RunOptions = {}): Promise<Run> {
  const out: string[] = [];
  const err: string[] = [];
  const terminal: Terminal = {
    out: (text) => {
      out.push(text);
      options.onLine?.(text);
    },
    err: (text) => {
      err.push(text);
      options.onErrLine?.(text);
    },
    colours: options.colours ?? false,
    env: options.env ?? {},
    signal: options.signal ?? new AbortController().signal,
  };
  const code = await runCli(args, terminal);
  const steady = (lines: readonly string[]): string => lines.join("\n").replace(/\b\d+(\.\d+)? (ms|s)\b/g, "N ms");
  return { code, out: steady(out), err: steady(err) };
}

export interface FakeProvider {
  readonly application?: string;
  readonly host?: string;
  readonly port?: number;
  readonly services?: readonly ServiceInfoInit[];
  readonly instance?: Partial<Instance>;
  /** Overrides what a provider would write; `undefined` takes away. */
  readonly metadata?: Readonly<Record<string, string | undefined>>;
  /** Default: the names of `services`. */
  readonly mapped?: readonly string[];
  /** Default true: in the metadata report. */
  readonly reported?: boolean;
}

/** A port of this machine on which nobody listens. */
export async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Something that is no server of the kind that is expected. Without `onSocket` it says nothing. */
export async function listener(t: TestContext, onSocket: (socket: Socket) => void = () => {}): Promise<number> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as { port: number }).port;
}

/** A registry that a test fills with what providers might have written there. */
export async function filledRegistry(
  url: string,
  ...providers: readonly FakeProvider[]
): Promise<{ readonly registry: Registry } & AsyncDisposable> {
  const [configured] = configureRegistries(createRuntime(), url, "test", {});
  const { registry } = configured!.use;
  for (const provider of providers) await fill(registry, provider);
  return { registry, [Symbol.asyncDispose]: () => registry.close() };
}

/** Resolves when everything is there. */
export async function fill(registry: Registry, provider: FakeProvider): Promise<void> {
  const { application = "shop", host = "127.0.0.1", port = 1, services = [], reported = true } = provider;
  const info: MetadataInfo = createMetadataInfo({ app: application, services: services.map((s) => ({ port, ...s })) });
  const wishes = (provider.mapped ?? services.map(({ name }) => name)).map((name) =>
    registry.mapping.add(name, application),
  );
  if (reported && registry.metadata !== undefined && services.length > 0) wishes.push(registry.metadata.publish(info));
  const metadata: Record<string, string | undefined> = {
    [MetadataKey.revision]: info.revision,
    [MetadataKey.storageType]: "remote",
    ...provider.metadata,
  };
  const defined = Object.fromEntries(Object.entries(metadata).filter(([, value]) => value !== undefined));
  wishes.push(
    registry.register(
      createInstance({ application, host, port, ...provider.instance, metadata: defined as Record<string, string> }),
    ),
  );
  for (const wish of wishes) await wish.state.until((state) => state === "confirmed");
}
