// MetadataService V1, on a real Nacos: over dubbo:// as untouched dubbo-go serves it, over Triple as dubbo-go serves it beside
// V2, and Dubhe's own as dubbo-go (told `meta-v: 1.0.0`) and dubbo-java 3.2, which knows no V2, ask for it.
import assert from "node:assert/strict";
import { createRuntime } from "@dubhe/concurrency";
import { createInstance, MemoryRegistryServer, MetadataKey, memoryRegistry } from "@dubhe/discovery";
import { nacosRegistry, parseNacosUrl } from "@dubhe/registry-nacos";
import { createApp } from "dubhe";
import { greetService } from "../dubhe/greet-service.mjs";
import { GreetService } from "../gen/greet_pb.js";
import { dubboGoCalls, dubheCalls, FOUR_KINDS } from "../lib/greet.mjs";
import { dubboGo, dubboJava, startNacos } from "../lib/peers.mjs";
import { freePort } from "../lib/ports.mjs";
import { checkGreetings, linesOf } from "../lib/verdicts.mjs";
import { until } from "../nacos/wait.mjs";

export const title = "MetadataService V1 over dubbo:// and over Triple, asked and served";

const NAME = GreetService.typeName;
const pathOf = (version) => `/org.apache.dubbo.metadata.MetadataService${version}`;

export async function run(trial) {
  const nacos = await startNacos(trial);
  const registry = nacosRegistry(createRuntime(), parseNacosUrl(nacos.url));
  trial.onEnd(() => registry.close());
  for (const version of ["3.3.2", "3.3.0"]) await dubboPort(trial, nacos, registry, version);
  await tripleV1(trial, nacos, registry);
  for (const [version, protocol] of [
    ["3.2.19", "tri"],
    ["3.2.19", "dubbo"],
    ["3.3.6", "dubbo"],
  ]) {
    await askedOfJava(trial, nacos, registry, version, protocol);
  }
  await servedToGo(trial, nacos, registry);
  await servedToJava(trial, nacos);
}

/** The instances of an application, once there are some. */
async function instancesOf(registry, application) {
  let instances = [];
  const watch = registry.watch(application, (event) => {
    if (event.kind === "instances") instances = event.instances;
  });
  await until(
    () => instances.length > 0,
    () => `an instance of ${application}`,
    30_000,
  );
  await watch[Symbol.asyncDispose]();
  return instances;
}

async function startGo(trial, nacos, { app, version = "3.3.2", flags = [] }) {
  const args = ["server", "--port", String(await freePort()), "--host", "127.0.0.1", "--app", app];
  const child = trial.start(
    `dubbo-go ${version} provider`,
    await dubboGo(version),
    [...args, "--registry", nacos.url, ...flags],
    { cwd: trial.folder() },
  );
  await child.waitFor(/^READY/m, 90_000);
  return child;
}

async function dubboPort(trial, nacos, registry, version) {
  const app = `go-untouched-${version.replaceAll(".", "-")}`;
  const provider = await startGo(trial, nacos, { app, version });
  await trial.step(
    `dubbo-go ${version} with untouched defaults`,
    "is discovered over dubbo:// and called by Dubhe",
    async () => {
      const [{ metadata }] = await instancesOf(registry, app);
      const { protocol, port } = JSON.parse(metadata[MetadataKey.metadataServiceParams]);
      assert.equal(protocol, "dubbo");
      const peer = new RegExp(`^dubbo-go ${app}`);
      const saw = await dubheCalls(trial, { where: { registry: nacos.url }, peer });
      return [`meta-v ${metadata[MetadataKey.metadataVersion]}, metadata over ${protocol} on port ${port}`, ...saw];
    },
  );
  await provider.stop();
}

async function tripleV1(trial, nacos, registry) {
  const app = "go-metadata-over-triple";
  const provider = await startGo(trial, nacos, { app, flags: ["--metadata-protocol", "tri"] });
  await trial.step(
    "dubbo-go 3.3.2 with metadata over Triple",
    "is asked for V1 when its instance says no more",
    async () => {
      const [instance] = await instancesOf(registry, app);
      assert.equal(instance.metadata[MetadataKey.metadataVersion], "2.0.0");
      const runtime = createRuntime();
      const server = new MemoryRegistryServer("metadata-v1");
      const crafted = memoryRegistry(runtime, server);
      const metadata = { ...instance.metadata, [MetadataKey.metadataVersion]: "1.0.0" };
      crafted.register(createInstance({ ...instance, metadata }));
      crafted.mapping.add(NAME, app);
      const consumer = createApp({ name: "dubhe-consumer", registry: memoryRegistry(runtime, server) });
      try {
        const { greeting, peer } = await consumer.client(GreetService).greet({ name: "V1" }, { timeoutMs: 10_000 });
        assert.equal(greeting, "hello V1");
        return `${greeting} from ${peer}`;
      } finally {
        await consumer[Symbol.asyncDispose]();
        await crafted.close();
      }
    },
  );
  await provider.stop();
}

async function askedOfJava(trial, nacos, registry, version, wanted) {
  const app = `java-${version.replaceAll(".", "-")}-${wanted}`;
  const options =
    wanted === "dubbo"
      ? ["protocol=dubbo", `port=${await freePort()}`].map((option) => `-Ddubbo.application.metadata-service-${option}`)
      : [];
  const env = {
    PEER_JAVA_DUBBO: version,
    PEER_JAVA_OPTS: ["-Xmx256m", "-XX:TieredStopAtLevel=1", ...options].join(" "),
  };
  const args = ["server", "--port", String(await freePort()), "--app", app, "--registry", nacos.url];
  const provider = trial.start(`dubbo-java ${version} provider`, await dubboJava(), args, { cwd: trial.folder(), env });
  await provider.waitFor(/^READY/m, 60_000);
  const over = wanted === "dubbo" ? "dubbo://" : "Triple";
  await trial.step(
    `dubbo-java ${version} with metadata over ${over}`,
    "is discovered by V1 and called by Dubhe",
    async () => {
      const [{ metadata }] = await instancesOf(registry, app);
      const { protocol, port } = JSON.parse(metadata[MetadataKey.metadataServiceParams]);
      const metaV = metadata[MetadataKey.metadataVersion];
      assert.equal(protocol, wanted);
      assert.notEqual(protocol === "tri" && metaV, "2.0.0");
      const saw = await dubheCalls(trial, { where: { registry: nacos.url }, peer: new RegExp(`^dubbo-java ${app}`) });
      return [`meta-v ${metaV}, metadata over ${protocol} on port ${port}`, ...saw];
    },
  );
  await provider.stop();
}

/** A provider of ours, and the paths that it is called by. */
async function startDubhe(registry, name) {
  const paths = [];
  const app = createApp({ name, registry });
  const server = app.createServer({
    listen: "0.0.0.0:0",
    interceptors: [
      (next) => (call) => {
        paths.push(call.method.path);
        return next(call);
      },
    ],
  });
  server.add(GreetService, greetService(`dubhe ${name}`));
  await server.start();
  return { app, server, paths };
}

async function servedToGo(trial, nacos, registry) {
  const name = "dubhe-announcing-v1";
  const memory = new MemoryRegistryServer("announcing-v1");
  const runtime = createRuntime();
  const { app, paths } = await startDubhe(memoryRegistry(runtime, memory), name);
  trial.onEnd(() => app[Symbol.asyncDispose]());
  const own = memoryRegistry(runtime, memory);
  trial.onEnd(() => own.close());
  await trial.step("dubbo-go 3.3.2", "reads V1 from a Dubhe provider whose instance says meta-v 1.0.0", async () => {
    const [instance] = await instancesOf(own, name);
    const metadata = { ...instance.metadata, [MetadataKey.metadataVersion]: "1.0.0" };
    const registration = registry.register(createInstance({ ...instance, metadata }));
    const entry = registry.mapping.add(NAME, name);
    await until(
      () => registration.state.value === "confirmed",
      () => "a confirmed registration",
      10_000,
    );
    await instancesOf(registry, name);
    const where = { registry: nacos.url };
    const saw = await dubboGoCalls(trial, await dubboGo(), { where, peer: new RegExp(`^dubhe ${name}`) });
    assert.ok(paths.includes(`${pathOf("")}/getMetadataInfo`), paths.join());
    assert.ok(!paths.some((path) => path.startsWith(pathOf("V2"))), paths.join());
    await registration[Symbol.asyncDispose]();
    await entry[Symbol.asyncDispose]();
    return saw;
  });
}

async function servedToJava(trial, nacos) {
  const name = "dubhe-for-java-3-2";
  const { app, paths } = await startDubhe(nacos.url, name);
  trial.onEnd(() => app[Symbol.asyncDispose]());
  await trial.step("dubbo-java 3.2.19", "reads V1 from an untouched Dubhe provider, and calls it", async () => {
    const args = ["client", "--registry", nacos.url, "--calls", FOUR_KINDS.join(","), "--timeout", "5s"];
    const env = { PEER_JAVA_DUBBO: "3.2.19" };
    const child = trial.start("dubbo-java 3.2.19", await dubboJava(), args, { cwd: trial.folder(), env });
    const lines = await linesOf(child, FOUR_KINDS);
    assert.ok(paths.includes(`${pathOf("")}/getMetadataInfo`), paths.join());
    return checkGreetings(lines, { name: "peer-java", peer: new RegExp(`^dubhe ${name}`) });
  });
}
