import assert from "node:assert/strict";
import { test } from "node:test";
import { createRuntime, WatchedCell } from "@dubhe/concurrency";
import {
  type ApplicationRegistration,
  type RegistrationState,
  type Registry,
  type RegistryHealth,
  ServiceDiscoveryRegistry,
} from "@dubhe/discovery";
import {
  Code,
  createRpcEnvironment,
  HealthService,
  ServerReflection,
  ServerReflectionV1Alpha,
  HealthCheckResponse_ServingStatus as Status,
} from "@dubhe/rpc";
import { EchoService, echoHandlers, leakCheck, VirtualClock } from "@dubhe/testing";
import { createClient } from "./create-client.js";
import { createServer } from "./create-server.js";
import { Server } from "./server.js";
import type { ServerOptions } from "./server-options.js";

type ApplicationInit = Parameters<ServiceDiscoveryRegistry["registerApplication"]>[0];

const echo = EchoService.typeName;

/** A server of an App whose registry says yes when the test says so, in virtual time. */
function serverOfApp(options: ServerOptions = {}) {
  const clock = new VirtualClock();
  const runtime = createRuntime({ clock });
  const state = new WatchedCell<RegistrationState>(runtime, "pending");
  const confirmedIn = new WatchedCell<readonly string[]>(runtime, []);
  const hanging = {
    id: "hanging",
    health: new WatchedCell<RegistryHealth>(runtime, { state: "connecting", since: 0 }),
  };
  const announced: string[] = [];
  const atWithdrawal: unknown[] = [];
  const discovery = Object.create(ServiceDiscoveryRegistry.prototype, {
    metadataStore: { value: { get: () => undefined, revisions: [] } },
    registerApplication: {
      value: ({ services }: ApplicationInit): ApplicationRegistration => {
        announced.push(...services.map(({ name }) => name));
        return {
          state,
          confirmedIn,
          revision: "1",
          problems: () => [],
          update: ({ services: later = [] }) => void announced.push(...later.map(({ name }) => name)),
          [Symbol.asyncDispose]: async () => {
            atWithdrawal.push(Object.fromEntries(server.health.all()));
          },
        };
      },
    },
  }) as ServiceDiscoveryRegistry;
  const server = new Server(
    createRpcEnvironment(runtime),
    { listen: "127.0.0.1:0", ...options },
    {
      application: "shop",
      discovery,
      registries: [hanging as unknown as Registry],
      loopback: true,
      env: {},
      closed: () => undefined,
    },
  );
  return { server, clock, state, confirmedIn, announced, atWithdrawal };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function statusOf(watch: AsyncIterator<{ readonly status: Status }>): Promise<Status | undefined> {
  return (await watch.next()).value?.status;
}

test("it serves once it is registered, and says that it leaves before it is withdrawn", async (t) => {
  leakCheck(t);
  const { server, clock, state, announced, atWithdrawal } = serverOfApp();
  server.add(EchoService, echoHandlers(), { group: "g", version: "2.0.0" });
  const started = server.start();
  while (announced.length === 0) await turn();
  await using health = createClient(HealthService, `tri://${server.address}`);
  assert.equal((await health.check({})).status, Status.NOT_SERVING, "not registered yet");
  const key = `g/${echo}:2.0.0`;
  assert.equal((await health.check({ service: key })).status, Status.SERVING, "a consumer that is quicker than we are");
  state.set("confirmed");
  await started;
  const watches = ["", echo, key].map((service) => health.watch({ service }));
  for (const watch of watches) assert.equal(await statusOf(watch), Status.SERVING);
  const closed = server.close({ graceMs: 60_000 });
  for (const watch of watches) assert.equal(await statusOf(watch), Status.NOT_SERVING);
  assert.deepEqual(atWithdrawal, [{ [echo]: "NOT_SERVING", [key]: "NOT_SERVING", "": "NOT_SERVING" }]);
  // Consumers still call while the withdrawal travels.
  await clock.advance(1_499);
  assert.equal((await health.check({ service: echo })).status, Status.NOT_SERVING);
  await clock.advance(501);
  for (const watch of watches) await assert.rejects(watch.next(), { code: Code.Unavailable, source: "peer" });
  await closed;
  assert.deepEqual(announced, [echo]);
});

test("closed while one registry has confirmed and another hangs: who has heard of it may still call", async (t) => {
  leakCheck(t);
  const { server, clock, confirmedIn, announced, atWithdrawal } = serverOfApp();
  server.add(EchoService, echoHandlers());
  const started = server.start();
  while (announced.length === 0) await turn();
  await using client = createClient(EchoService, `tri://${server.address}`);
  confirmedIn.set(["quick"]);
  await clock.advance(1_000);
  assert.equal(server.state, "starting");
  const closed = server.close({ graceMs: 0 });
  await assert.rejects(started, /closed while it started/);
  while (atWithdrawal.length === 0) await turn();
  await clock.advance(1_499);
  assert.equal((await client.unary({ text: "late" })).text, "late");
  // Who still calls has not heard of it.
  await clock.advance(500);
  assert.equal((await client.unary({ text: "later" })).text, "later");
  await clock.advance(501);
  await closed;
});

test("a caller who never hears of it does not keep a server that leaves for more than 5 s", async (t) => {
  leakCheck(t);
  const { server, clock, state, announced } = serverOfApp();
  server.add(EchoService, echoHandlers());
  state.set("confirmed");
  await server.start();
  assert.deepEqual(announced, [echo]);
  await using client = createClient(EchoService, `tri://${server.address}`);
  let isClosed = false;
  const closed = server.close({ graceMs: 0 }).then(() => {
    isClosed = true;
  });
  for (let ms = 0; ms < 4_800; ms += 400) {
    assert.equal((await client.unary({ text: "again" })).text, "again");
    await clock.advance(400);
  }
  assert.equal(isClosed, false);
  await clock.advance(200);
  await closed;
});

test("health and reflection are not the user's services", async (t) => {
  leakCheck(t);
  const { server, state, clock, announced } = serverOfApp();
  server.add(EchoService, echoHandlers());
  state.set("confirmed");
  await server.start();
  assert.deepEqual(announced, [echo]);
  const { services, health } = server.inspect() as { services: string[]; health: object };
  assert.deepEqual([services, health], [[`/${echo}:`], { "": "SERVING", [echo]: "SERVING" }]);
  await using reflection = createClient(ServerReflection, `tri://${server.address}`);
  const requests = [{ messageRequest: { case: "listServices", value: "" } as const }];
  for await (const { messageResponse } of reflection.serverReflectionInfo(requests)) {
    assert.ok(messageResponse.case === "listServicesResponse");
    assert.deepEqual(
      messageResponse.value.service.map(({ name }) => name),
      [
        echo,
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        "org.apache.dubbo.metadata.MetadataServiceV2",
      ],
    );
  }
  const closed = server.close();
  await clock.advance(1_500);
  await closed;
});

test("what the application says of itself holds through the start, and ends with the server", async (t) => {
  leakCheck(t);
  await using server = createServer({ listen: "127.0.0.1:0" });
  server.add(EchoService, echoHandlers());
  server.health.set("", "NOT_SERVING").set("shop.Stock", "SERVING");
  await server.start();
  await using health = createClient(HealthService, `tri://${server.address}`);
  assert.equal((await health.check({})).status, Status.NOT_SERVING);
  assert.equal((await health.check({ service: "shop.Stock" })).status, Status.SERVING);
  server.health.reset("");
  assert.equal((await health.check({})).status, Status.SERVING);
  server.health.set(echo, "NOT_SERVING");
  assert.equal((await health.check({ service: echo })).status, Status.NOT_SERVING);
  server.health.reset(echo).set("", "SERVING");
  await server.close();
  assert.deepEqual(Object.fromEntries(server.health.all()), {
    "": "NOT_SERVING",
    [echo]: "NOT_SERVING",
    "shop.Stock": "NOT_SERVING",
  });
});

test("each can be turned off", async (t) => {
  leakCheck(t);
  await using server = createServer({ listen: "127.0.0.1:0", health: false, reflection: false });
  await server.start();
  server.health.set("", "SERVING");
  const target = `tri://${server.address}`;
  await using health = createClient(HealthService, target);
  await assert.rejects(health.check({}), { code: Code.Unimplemented });
  await using v1 = createClient(ServerReflection, target);
  await assert.rejects(v1.serverReflectionInfo([]).next(), { code: Code.Unimplemented });
  await using v1alpha = createClient(ServerReflectionV1Alpha, target);
  await assert.rejects(v1alpha.serverReflectionInfo([]).next(), { code: Code.Unimplemented });
});

test("options that make no sense are refused by name", () => {
  assert.throws(() => createServer({ health: "yes" as unknown as boolean }), /health is true or false, not yes/);
  assert.throws(() => createServer({ reflection: 1 as unknown as boolean }), /true, false or \{ files \}, not 1/);
  assert.throws(() => createServer({ reflection: { file: [] } as object }), /unknown option "file" of createServer's/);
  assert.throws(
    () => createServer({ http1: { idleTimeout: 5 } as object }),
    /unknown option "idleTimeout" of createServer's http1. Did you mean "idleTimeoutMs"/,
  );
  assert.throws(() => createServer({ http1: "no" as unknown as boolean }), /http1 is true, false or .*, not no/);
});
