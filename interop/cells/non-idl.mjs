// Java interfaces without .proto files, over Triple with hessian2: dubbo-java and Dubhe, both directions, by address and
// through the embedded registry; and dubbo-go, which has the same with hessian2.
import assert from "node:assert/strict";
import { join } from "node:path";
import { defineService, genericService, java as javaTypes, unary } from "@dubhe/non-idl";
import { Code, createClient, createServer } from "dubhe";
import { Address, UserProvider, userHandlers } from "../dubhe/users-service.mjs";
import { dubboGo, dubboJava, interop } from "../lib/peers.mjs";
import { freeBase, freePort } from "../lib/ports.mjs";

export const title =
  "Java interfaces without protobuf: dubbo-java, dubbo-go and Dubhe, both directions, by address and by name";

/** What dubbo-java's consumer tries: see UsersCaller.java. */
const checks = 28;
/** And dubbo-go's: see users.go. */
const checksOfGo = 6;
const IDENTITY = { group: "interop", version: "1.2.3" };

export async function run(trial) {
  const java = await dubboJava();
  const cwd = trial.folder();
  const start = (name, dubbo, ...args) => trial.start(name, java, args, { cwd, env: { PEER_JAVA_DUBBO: dubbo } });

  for (const dubbo of ["3.3.6", "3.2.19"]) {
    const port = await freePort();
    const provider = start(
      `dubbo-java ${dubbo} provider`,
      dubbo,
      "users-server",
      "--port",
      String(port),
      "--host",
      "127.0.0.1",
    );
    await provider.waitFor(/^READY/m, 40_000);
    await trial.step(`dubbo-java ${dubbo} provider`, "is called by Dubhe", () =>
      dubheCalls(trial, ["--url", `tri://127.0.0.1:${port}`, "--java"]),
    );
    const ours = await startOurs(trial, "dubhe provider", ["--listen", "0.0.0.0:0"]);
    await trial.step(`dubbo-java ${dubbo} consumer`, "calls Dubhe", () =>
      javaCalls(start(`dubbo-java ${dubbo} consumer`, dubbo, "users-client", "--url", `tri://127.0.0.1:${ours}`)),
    );
    if (dubbo === "3.3.6") {
      await trial.step(`dubbo-java ${dubbo} provider`, "is called by Dubhe with JSON", () =>
        dubheCalls(trial, ["--url", `tri://127.0.0.1:${port}`, "--codec", "plain-json"]),
      );
      await trial.step("dubhe provider", "is called by Dubhe with JSON", () =>
        dubheCalls(trial, ["--url", `tri://127.0.0.1:${ours}`, "--codec", "json"]),
      );
    }
    provider.kill();
  }

  await otherwise(trial, start);
  await withDubboGo(trial);

  const base = await freeBase([0, 1000], 22848);
  const embedded = `embedded://127.0.0.1:${base + 1000}`;
  const nacos = `nacos://127.0.0.1:${base}`;
  // dubbo-java connects to the machine's own address where it is told 127.0.0.1.
  await startOurs(trial, "dubhe provider on the registry", ["--registry", embedded, "--listen", "0.0.0.0:0"]);
  await trial.step("dubbo-java 3.3.6 consumer on the embedded registry", "discovers and calls Dubhe", () =>
    javaCalls(start("dubbo-java consumer by name", "3.3.6", "users-client", "--registry", nacos)),
  );
  const port = String(await freePort());
  const flags = ["--port", port, "--host", "127.0.0.1", "--registry", nacos];
  const provider = start("dubbo-java provider by name", "3.3.6", "users-server", ...flags);
  await provider.waitFor(/^READY/m, 60_000);
  // Both offer the interface: the application tells them apart.
  await trial.step("dubbo-java 3.3.6 provider on the embedded registry", "is discovered and called by Dubhe", () =>
    dubheCalls(trial, ["--registry", embedded, "--provided-by", "java-users", "--java"]),
  );
}

/** Group and version, and a serialization that Dubhe does not have. */
async function otherwise(trial, start) {
  const server = createServer({ listen: "0.0.0.0:0" });
  server.add(UserProvider, userHandlers, IDENTITY);
  await server.start();
  trial.onEnd(() => server.close());
  const url = `tri://127.0.0.1:${server.address.split(":").at(-1)}`;
  const identity = ["--group", IDENTITY.group, "--version", IDENTITY.version];
  const fastjson = ["--serialization", "fastjson2"];
  await trial.step("dubbo-java 3.3.6 consumer", "calls Dubhe's service of a group and version", () =>
    javaCalls(start("dubbo-java consumer of a group", "3.3.6", "users-client", "--url", url, ...identity)),
  );
  await trial.step("dubbo-java 3.3.6 consumer", "is told that Dubhe has no fastjson2", async () => {
    const child = start(
      "dubbo-java consumer, fastjson2",
      "3.3.6",
      "users-client",
      "--url",
      url,
      ...identity,
      ...fastjson,
    );
    await child.wait(60_000);
    const { got } = linesOf(child).find(({ check }) => check === "get");
    assert.equal(got, 'StatusRpcException UNIMPLEMENTED: the serialization must be hessian2, and is "fastjson2"');
    return got;
  });
  const port = String(await freePort());
  const flags = ["--port", port, "--host", "127.0.0.1", ...identity, ...fastjson];
  const provider = start("dubbo-java provider, fastjson2", "3.3.6", "users-server", ...flags);
  await provider.waitFor(/^READY/m, 40_000);
  await trial.step(
    "dubbo-java 3.3.6 provider",
    "of a group and version, set to fastjson2, answers hessian2",
    async () => {
      const users = clientOf(trial, UserProvider, `tri://127.0.0.1:${port}`, IDENTITY);
      assert.equal(await users.findByNumber(5n), "number 5");
      const anything = clientOf(trial, genericService(UserProvider.typeName), `tri://127.0.0.1:${port}`, IDENTITY);
      assert.equal(await anything.$invoke("find", ["java.lang.String"], ["x"]), "name x");
    },
  );
  provider.kill();
}

/** What users.go has of it, by dubbo-go's names. */
const GoUsers = defineService(UserProvider.typeName, {
  greet: unary({ name: "Greet", input: javaTypes.string, output: javaTypes.string }),
  sum: unary({ name: "Sum", input: [javaTypes.int, javaTypes.long, javaTypes.double], output: javaTypes.double }),
  move: unary({ name: "Move", input: [Address, javaTypes.int], output: Address }),
  fail: unary({ name: "Fail", input: javaTypes.string, output: javaTypes.string }),
  absent: unary({ name: "Absent", output: javaTypes.string }),
});

async function withDubboGo(trial) {
  const go = await dubboGo();
  const ours = await startOurs(trial, "dubhe provider for dubbo-go", []);
  const cwd = trial.folder();
  await trial.step("dubbo-go 3.3.2 consumer", "calls Dubhe", async () => {
    const child = trial.start("dubbo-go consumer", go, ["users-client", "--url", `tri://127.0.0.1:${ours}`], { cwd });
    await child.wait(60_000);
    return allGood(child, checksOfGo);
  });
  const port = String(await freePort());
  const provider = trial.start("dubbo-go provider", go, ["users-server", "--port", port], { cwd });
  await provider.waitFor(/^READY/m, 40_000);
  await trial.step("dubbo-go 3.3.2 provider", "is called by Dubhe", async () => {
    const users = clientOf(trial, GoUsers, `tri://127.0.0.1:${port}`);
    assert.equal(await users.greet("x"), "hello x");
    assert.equal(await users.sum(1, 2n, 3.5), 6.5);
    assert.deepEqual(await users.move({ street: "Elm Street", number: 13 }, 7), { street: "Elm Street", number: 7 });
    await assert.rejects(users.fail("why"), { code: Code.Unknown, rawMessage: "refused: why" });
    await assert.rejects(users.absent(), { code: Code.Unimplemented });
    const anything = clientOf(trial, genericService(UserProvider.typeName), `tri://127.0.0.1:${port}`);
    const from = { class: Address.className, street: "Elm Street", number: 13 };
    assert.deepEqual(await anything.$invoke("Move", [Address.className, "int"], [from, 9]), { ...from, number: 9 });
  });
}

function clientOf(trial, service, url, options) {
  const client = createClient(service, url, options);
  trial.onEnd(() => client[Symbol.asyncDispose]());
  return client;
}

async function startOurs(trial, name, args) {
  const program = join(interop, "dubhe", "users-provider.mjs");
  const child = trial.start(name, process.execPath, [program, ...args], { input: "pipe" });
  return Number((await child.waitFor(/^READY (\d+)/m, 30_000))[1]);
}

async function dubheCalls(trial, args) {
  const program = join(interop, "dubhe", "users-consumer.mjs");
  const child = trial.start("dubhe consumer", process.execPath, ["--enable-source-maps", program, ...args]);
  const { code } = await child.wait(60_000);
  assert.equal(code, 0, child.tail(30));
  return child.stdout.trim().split("\n");
}

async function javaCalls(child) {
  await child.wait(60_000);
  return allGood(child, checks);
}

function linesOf(child) {
  return child.stdout
    .split("\n")
    .filter((line) => line.startsWith('{"check"'))
    .map((line) => JSON.parse(line));
}

function allGood(child, count) {
  const lines = linesOf(child);
  assert.deepEqual(
    lines.filter(({ ok }) => !ok),
    [],
  );
  assert.equal(lines.length, count, child.tail(30));
  return `${lines.length} checks: ${lines.map(({ check }) => check).join(", ")}`;
}
