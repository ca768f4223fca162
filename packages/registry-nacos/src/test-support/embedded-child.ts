/**
 * A process of its own with an embedded registry, for the takeover tests: registers one instance, watches its
 * application and a mapping, and tells its parent every change of what it believes.
 */
import { createRuntime } from "@dubhe/concurrency";
import { createInstance } from "@dubhe/discovery";
import { embeddedConfig } from "../embedded/config.js";
import { embeddedRegistry } from "../embedded/embedded.js";

/** What a child believes. */
export interface ChildReport {
  readonly up: boolean;
  readonly hosting: boolean;
  readonly ports: readonly number[] | undefined;
  readonly applications: readonly string[] | undefined;
  /** Lists in which somebody of `expected` was missing: their ports. */
  readonly missed: readonly (readonly number[])[];
  readonly error: string | undefined;
}

export type ChildCommand = { readonly kind: "expect"; readonly ports: readonly number[] } | { readonly kind: "close" };

const [port, own] = process.argv.slice(2).map(Number);
if (process.send !== undefined && port !== undefined && own !== undefined)
  main(port, own, (report) => void (process.connected && process.send?.(report)));

function main(registryPort: number, ownPort: number, tell: (report: ChildReport) => void): void {
  const runtime = createRuntime();
  const registry = embeddedRegistry(runtime, embeddedConfig({ port: registryPort }));
  let ports: number[] | undefined;
  let applications: readonly string[] | undefined;
  let expected: readonly number[] = [];
  const missed: number[][] = [];
  const report = (): void =>
    tell({
      up: registry.health.value.state === "up" && registration.state.value === "confirmed",
      hosting: (registry.inspect() as { embedded: { hosting: boolean } }).embedded.hosting,
      ports,
      applications,
      missed,
      error: registry.health.value.error?.message,
    });
  registry.watch("shop", (event) => {
    if (event.kind === "instances") {
      ports = event.instances.map((instance) => instance.port).sort((a, b) => a - b);
      const list = ports;
      if (expected.some((wanted) => !list.includes(wanted))) missed.push(list);
    }
    report();
  });
  registry.mapping.watch("com.Foo", (event) => {
    if (event.kind === "mapping") applications = event.applications;
    report();
  });
  const registration = registry.register(createInstance({ application: "shop", host: "127.0.0.1", port: ownPort }));
  registration.state.subscribe(report);
  registry.health.subscribe(report);
  process.on("message", (command: ChildCommand) => {
    if (command.kind === "expect") expected = command.ports;
    else void registry.close().then(() => process.connected && process.disconnect());
  });
}
