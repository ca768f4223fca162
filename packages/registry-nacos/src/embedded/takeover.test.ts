import assert from "node:assert/strict";
import { test } from "node:test";
import type { Runtime } from "@dubhe/concurrency";
import { createInstance, type InstancesEvent, type MappingEvent } from "@dubhe/discovery";
import { testRuntime, type VirtualClock } from "@dubhe/testing";
import type { NacosRegistry } from "../nacos-registry.js";
import { MemoryNetwork } from "../test-support/memory-network.js";
import { embeddedConfig } from "./config.js";
import { embeddedRegistry } from "./embedded.js";
import type { HostHandle, HostStarter } from "./host-starter.js";

const PORT = 9_848;
const server = { host: "127.0.0.1", httpPort: PORT - 1_000, grpcPort: PORT };

/** A machine in virtual time: processes are registries, and the one that binds the port is the host. */
class Machine {
  readonly clock: VirtualClock;
  readonly network: MemoryNetwork;
  readonly reports: readonly unknown[];
  readonly processes: Process[] = [];
  host: Process | undefined;
  readonly #runtime: Runtime;

  constructor(seed: number) {
    const { runtime, clock, reports } = testRuntime({ seed });
    this.#runtime = runtime;
    this.clock = clock;
    this.reports = reports;
    this.network = new MemoryNetwork(runtime);
  }

  start(port: number): Process {
    const process = new Process(this.#runtime, this, port);
    this.processes.push(process);
    return process;
  }

  starterOf(process: Process): HostStarter {
    const start: HostStarter["start"] = async (data) => {
      await this.network.wait();
      await this.network.wait();
      if (process.killed) return new Promise<HostHandle>(() => undefined);
      if (this.host !== undefined) throw Object.assign(new Error("in use"), { code: "EADDRINUSE" });
      this.host = process;
      let end = (): void => undefined;
      const ended = new Promise<void>((resolve) => {
        end = resolve;
      });
      const { seed, pid } = data;
      this.network.start(server, { seed, pid, id: `life${this.processes.indexOf(process)}-${this.clock.now()}` });
      const close = async (): Promise<void> => {
        if (this.host !== process) return;
        this.host = undefined;
        this.network.kill(server);
        end();
      };
      return { port: data.port, ended, close };
    };
    return { start };
  }

  /** As SIGKILL. */
  kill(process: Process): void {
    process.killed = true;
    process.transport.dead = true;
    this.processes.splice(this.processes.indexOf(process), 1);
    if (this.host === process) {
      this.host = undefined;
      this.network.kill(server);
    }
    process.transport.breakOwn();
  }

  async until(predicate: () => boolean, what: string, limitMs = 3_000): Promise<number> {
    for (let waited = 0; waited <= limitMs; waited += 10) {
      if (predicate()) return waited;
      await this.clock.advance(10);
    }
    return assert.fail(
      `${limitMs} ms passed without ${what}: ${JSON.stringify(this.processes.map((p) => p.describe()))}`,
    );
  }

  async close(): Promise<void> {
    const closed = Promise.all(this.processes.map(({ registry }) => registry.close()));
    await this.clock.advance(10_000);
    await closed;
  }
}

/** The network as one process has it: it dies with it. */
class OwnTransport extends MemoryNetwork {
  dead = false;
  readonly #network: MemoryNetwork;
  readonly #links: { destroy(): void }[] = [];

  constructor(runtime: Runtime, network: MemoryNetwork) {
    super(runtime);
    this.#network = network;
  }

  override async connect(...args: Parameters<MemoryNetwork["connect"]>): ReturnType<MemoryNetwork["connect"]> {
    if (this.dead) return new Promise(() => undefined);
    const link = await this.#network.connect(...args);
    this.#links.push(link);
    if (this.dead) link.destroy();
    return link;
  }

  breakOwn(): void {
    for (const link of this.#links) link.destroy();
  }
}

class Process {
  readonly port: number;
  readonly transport: OwnTransport;
  readonly registry: NacosRegistry;
  readonly events: InstancesEvent[] = [];
  readonly mappings: MappingEvent[] = [];
  readonly registration: { readonly state: { readonly value: string } };
  killed = false;

  constructor(runtime: Runtime, machine: Machine, port: number) {
    this.port = port;
    this.transport = new OwnTransport(runtime, machine.network);
    this.registry = embeddedRegistry(runtime, embeddedConfig({ port: PORT }), {
      environment: {},
      transport: this.transport,
      starter: machine.starterOf(this),
    });
    this.registry.watch("shop", (event) => this.events.push(event));
    this.registry.mapping.watch("com.Foo", (event) => this.mappings.push(event));
    this.registration = this.registry.register(createInstance({ application: "shop", host: "127.0.0.1", port }));
  }

  get ports(): readonly number[] | undefined {
    const last = this.events.filter((event) => event.kind === "instances").at(-1);
    return last?.kind === "instances" ? last.instances.map(({ port }) => port).sort((a, b) => a - b) : undefined;
  }

  get applications(): readonly string[] | undefined {
    const last = this.mappings.filter((event) => event.kind === "mapping").at(-1);
    return last?.kind === "mapping" ? last.applications : undefined;
  }

  get up(): boolean {
    return this.registry.health.value.state === "up" && this.registration.state.value === "confirmed";
  }

  describe(): object {
    return {
      port: this.port,
      ports: this.ports,
      health: this.registry.health.value,
      registration: this.registration.state.value,
    };
  }
}

const publishForeignMapping = (machine: Machine): void => {
  machine.network.ask(server, "ConfigPublishRequest", {
    tenant: "",
    group: "mapping",
    dataId: "com.Foo",
    content: "from-go",
    casMd5: "",
  });
};

for (let seed = 1; seed <= 20; seed++) {
  test(`hosts are killed one after the other, seed ${seed}`, async () => {
    const machine = new Machine(seed);
    for (const port of [1, 2, 3, 4, 5]) machine.start(port);
    await machine.until(
      () => machine.processes.every(({ up, ports }) => up && ports?.length === 5),
      "five processes that see each other",
    );
    // A mapping that nobody will ever write again: its author is no Dubhe.
    publishForeignMapping(machine);
    await machine.until(
      () => machine.processes.every(({ applications }) => applications?.includes("from-go") === true),
      "the mapping",
    );
    for (let round = 0; round < 4; round++) {
      const victim = machine.host;
      assert.ok(victim !== undefined);
      const marks = machine.processes.map(({ events }) => events.length);
      machine.kill(victim);
      const rest = machine.processes;
      const took = await machine.until(() => rest.every(({ up }) => up), "everybody registered and watching again");
      assert.ok(took < 3_000);
      // Nobody may have seen one of the living missing, at any time.
      rest.forEach(({ events, port }, index) => {
        for (const event of events.slice(marks[index])) {
          if (event.kind !== "instances") continue;
          const seen = event.instances.map((instance) => instance.port);
          for (const other of rest)
            assert.ok(seen.includes(other.port), `${port} lost ${other.port} in round ${round}: ${seen}`);
        }
      });
      await machine.clock.advance(6_000);
      const alive = rest.map(({ port }) => port).sort((a, b) => a - b);
      for (const { ports, applications } of rest) {
        assert.deepEqual(ports, alive, "the dead one is gone");
        assert.deepEqual(applications, ["from-go"], "the foreign mapping survived");
      }
    }
    await machine.close();
    assert.deepEqual(machine.reports, []);
  });
}

test("a newcomer that binds the port first, knowing nothing, gets the state from the others", async () => {
  const machine = new Machine(1);
  for (const port of [1, 2, 3]) machine.start(port);
  await machine.until(() => machine.processes.every(({ up, ports }) => up && ports?.length === 3), "three processes");
  publishForeignMapping(machine);
  await machine.until(
    () => machine.processes.every(({ applications }) => applications?.includes("from-go") === true),
    "the mapping",
  );
  const [a, b, c] = machine.processes;
  assert.ok(a !== undefined && b !== undefined && c !== undefined && machine.host !== undefined);
  const victim = machine.host;
  machine.kill(victim);
  // The port is free, and none of the survivors has noticed yet.
  const newcomer = machine.start(9);
  await machine.until(() => machine.processes.every(({ up }) => up), "everybody registered and watching again");
  // The victim's own instance is served until its time is over: here all processes have one pid, which lives.
  await machine.until(
    () => machine.processes.every(({ ports }) => ports?.length === 3),
    "three processes again",
    7_000,
  );
  await machine.until(() => newcomer.applications?.includes("from-go") === true, "the mapping, at the newcomer");
  await machine.close();
  // The killed one is only cut off here: what it had begun ends by its own bound.
  await machine.clock.advance(20_000);
  assert.equal(machine.clock.pendingTimers, 0);
});

test("a successor that was mirroring serves everything from its first moment on", async () => {
  const machine = new Machine(5);
  for (const port of [1, 2, 3]) machine.start(port);
  await machine.until(() => machine.processes.every(({ up, ports }) => up && ports?.length === 3), "three processes");
  publishForeignMapping(machine);
  await machine.clock.advance(100);
  const victim = machine.host;
  assert.ok(victim !== undefined);
  machine.kill(victim);
  for (let waited = 0; machine.host === undefined; waited++) {
    assert.ok(waited < 3_000);
    await machine.clock.advance(1);
  }
  assert.equal(machine.network.linksOf(server), 0, "nobody is connected yet");
  const answer = machine.network.ask(server, "ConfigQueryRequest", { tenant: "", group: "mapping", dataId: "com.Foo" });
  assert.equal((answer.body as { content?: string }).content, "from-go");
  const query = { namespace: "public", groupName: "DEFAULT_GROUP", serviceName: "shop" };
  const info = machine.network.ask(server, "ServiceQueryRequest", query).body as { serviceInfo: { hosts: unknown[] } };
  assert.equal(info.serviceInfo.hosts.length, 3);
  await machine.close();
});

test("the host leaves in order: it takes its own instance along, and the others go on", async () => {
  const machine = new Machine(3);
  for (const port of [1, 2, 3]) machine.start(port);
  await machine.until(() => machine.processes.every(({ up, ports }) => up && ports?.length === 3), "three processes");
  const leaver = machine.host;
  assert.ok(leaver !== undefined);
  const closing = leaver.registry.close();
  machine.processes.splice(machine.processes.indexOf(leaver), 1);
  await machine.until(() => machine.host !== undefined && machine.host !== leaver, "another host");
  await machine.until(() => machine.processes.every(({ up, ports }) => up && ports?.length === 2), "two processes");
  await machine.clock.advance(2_000);
  await closing;
  await machine.close();
});
