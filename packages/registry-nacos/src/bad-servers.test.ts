import assert from "node:assert/strict";
import { createServer as createHttpServer, type Server } from "node:http";
import { createServer, type Socket } from "node:net";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { createRuntime, systemClock } from "@dubhe/concurrency";
import { createInstance, type InstancesEvent } from "@dubhe/discovery";
import { createRpcEnvironment, RpcServer } from "@dubhe/rpc";
import { withLeakCheck } from "@dubhe/testing";
import { PayloadSchema, Request } from "../gen/nacos_grpc_pb.js";
import { type NacosConfigInit, nacosConfig } from "./config.js";
import { HostServer } from "./embedded/host-server.js";
import { nacosRegistry } from "./nacos.js";
import { freePort } from "./test-support/free-port.js";

async function until(predicate: () => boolean, what: () => string, limitMs = 5_000): Promise<void> {
  for (const start = systemClock.now(); !predicate(); ) {
    assert.ok(systemClock.now() - start < limitMs, `${limitMs} ms passed without ${what()}`);
    await new Promise<void>((resolve) => {
      systemClock.setTimeout(resolve, 5, { ref: true });
    });
  }
}

/** The error that a user sees with such a server: of health, of a watch, and of a registration. */
async function errorWith(init: Partial<NacosConfigInit> & Pick<NacosConfigInit, "servers">): Promise<string> {
  const registry = nacosRegistry(createRuntime(), nacosConfig(init));
  const events: InstancesEvent[] = [];
  registry.watch("shop", (event) => void events.push(event));
  const registration = registry.register(createInstance({ application: "shop", host: "127.0.0.1", port: 1 }));
  await until(
    () => registry.health.value.error !== undefined && events.length > 0 && registration.error !== undefined,
    () => "an error",
  );
  const message = registry.health.value.error?.message ?? "";
  const [event] = events;
  assert.ok(event?.kind === "error");
  assert.equal(event.error.message, message);
  assert.equal(registration.error?.message, message);
  await registry.close();
  assert.equal(registry.health.value.state, "closed");
  return message;
}

async function tcpServer(onConnection: (socket: Socket) => void): Promise<{ port: number; close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  return {
    port,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

const at = (grpcPort: number, httpPort = 1): { host: string; grpcPort: number; httpPort: number }[] => [
  { host: "127.0.0.1", grpcPort, httpPort },
];

test(
  "an unreachable registry",
  withLeakCheck(async () => {
    const port = await freePort();
    assert.match(await errorWith({ servers: at(port) }), new RegExp(`ECONNREFUSED 127\\.0\\.0\\.1:${port}`));
  }),
);

test(
  "a host name that does not exist",
  withLeakCheck(async () => {
    assert.match(await errorWith({ servers: ["no-such-host.invalid:8848"] }), /no-such-host\.invalid/);
  }),
);

test(
  "a server that speaks HTTP/1.1, as when the HTTP port is given for the gRPC port",
  withLeakCheck(async () => {
    const server = await tcpServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    assert.match(await errorWith({ servers: at(server.port) }), new RegExp(`^127\\.0\\.0\\.1:${server.port}: `));
    await server.close();
  }),
);

test(
  "a server that accepts and says nothing",
  withLeakCheck(async () => {
    const server = await tcpServer(() => undefined);
    assert.match(await errorWith({ servers: at(server.port) }), /timed out after 3000 ms/);
    await server.close();
  }),
);

for (const [what, body, message] of [
  ["no JSON", "<html>", /ServerCheckResponse: the body is not JSON: <html>/],
  [
    "a refusal",
    '{"resultCode":500,"errorCode":500,"message":"go away","success":false}',
    /Nacos refused ServerCheckRequest: go away \(code 500\)/,
  ],
  ["an empty answer", "{}", /Nacos refused ServerCheckRequest: no reason given/],
] as const) {
  test(
    `a gRPC server that answers ${what}`,
    withLeakCheck(async () => {
      const server = new RpcServer(createRpcEnvironment(createRuntime()));
      server.add(Request, {
        request: () =>
          create(PayloadSchema, {
            metadata: { type: "ServerCheckResponse" },
            body: { value: new TextEncoder().encode(body) },
          }),
      });
      const { port } = await server.listen({ host: "127.0.0.1", port: 0 });
      assert.match(await errorWith({ servers: at(port) }), message);
      await server.close({ graceMs: 0 });
    }),
  );
}

test(
  "a gRPC server that is no Nacos",
  withLeakCheck(async () => {
    const server = new RpcServer(createRpcEnvironment(createRuntime()));
    const { port } = await server.listen({ host: "127.0.0.1", port: 0 });
    assert.match(await errorWith({ servers: at(port) }), /unknown service|not (?:found|implemented)|Request/i);
    await server.close({ graceMs: 0 });
  }),
);

/** Nacos's login: its status codes for a wrong password are its own. */
function loginServer(
  accept: (form: URLSearchParams) => boolean,
): Promise<{ readonly server: Server; readonly port: number; readonly seen: string[] }> {
  const seen: string[] = [];
  const server = createHttpServer((request, response) => {
    let form = "";
    request.on("data", (chunk: Buffer) => {
      form += chunk.toString();
    });
    request.on("end", () => {
      seen.push(`${request.method} ${request.url}`);
      if (accept(new URLSearchParams(form))) response.end('{"accessToken":"tok","tokenTtl":18000,"globalAdmin":true}');
      else response.writeHead(500).end("caused: User nacos not found or wrong password;");
    });
  });
  return new Promise((resolve) =>
    server.listen(0, "127.0.0.1", () => resolve({ server, seen, port: (server.address() as { port: number }).port })),
  );
}

test(
  "wrong credentials over HTTP: an error without the password; right ones work",
  withLeakCheck(async () => {
    const login = await loginServer((form) => form.get("username") === "nacos" && form.get("password") === "r&ght");
    const host = await HostServer.start(createRpcEnvironment(createRuntime()), {
      port: 0,
      pid: process.pid,
      startingMs: 0,
    });
    const servers = at(host.port, login.port);
    const message = await errorWith({ servers, username: "nacos", password: "wr0ng" });
    assert.match(message, /login of nacos at 127\.0\.0\.1:\d+ was refused \(HTTP 500: .*wrong password/);
    assert.ok(!message.includes("wr0ng"));
    const registry = nacosRegistry(createRuntime(), nacosConfig({ servers, username: "nacos", password: "r&ght" }));
    await until(
      () => registry.health.value.state === "up",
      () => "the session",
    );
    assert.equal(login.seen.at(-1), "POST /nacos/v3/auth/user/login");
    await registry.close();
    await host.close();
    await new Promise((resolve) => login.server.close(resolve));
  }),
);
