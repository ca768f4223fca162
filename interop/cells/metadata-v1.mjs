// MetadataService V1, on a real Nacos: over dubbo:// as untouched dubbo-go serves it, over Triple as dubbo-go serves it beside
// V2; and Dubhe's own, V1 and V2, as dubbo-go and dubbo-java ask for it: V1 where the instance says `meta-v: 1.0.0`, and by
// dubbo-java 3.2, which knows no V2.
import assert from "node:assert/strict";
import { createRuntime } from "@dubhe/concurrency";
import { createInstance, MemoryRegistryServer, MetadataKey, memoryRegistry } from "@dubhe/discovery";
import { DubboClient } from "@dubhe/protocol-dubbo";
import { nacosRegistry, parseNacosUrl } from "@dubhe/registry-nacos";
import { createApp } from "dubhe";
import { greetService } from "../dubhe/greet-service.mjs";
import { GreetService } from "../gen/greet_pb.js";
import { dubboGoCalls, dubheCalls, FOUR_KINDS } from "../lib/greet.mjs";
import { dubboGo, dubboJava, startNacos } from "../lib/peers.mjs";
import { freePort } from "../lib/ports.mjs";
import { checkGreetings, linesOf } from "../lib/verdicts.mjs";
import { until } from "../nacos/wait.mjs";

export const title = "MetadataService: V1 over dubbo:// and over Triple asked; V1 and V2 served";

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
  await servedAsV1(trial, nacos, registry);
  await servedUntouched(trial, nacos);
}

/** A registration, or an entry of the mapping. */
async function confirmed({ state }) {
  await until(
    () => state.value === "confirmed",
    () => "a confirmation of the registry",
    10_000,
  );
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

/** What a provider's dubbo port says to calls of the kind that consumers get wrong, all over one connection; then it stops. */
async function wrongCalls(trial, peer, registry, app, stop) {
  const [{ metadata }] = await instancesOf(registry, app);
  const target = { host: "127.0.0.1", port: Number(JSON.parse(metadata[MetadataKey.metadataServiceParams]).port) };
  const client = new DubboClient(createRuntime());
  trial.onEnd(() => client.close());
  const right = {
    service: "org.apache.dubbo.metadata.MetadataService",
    group: app,
    version: "1.0.0",
    method: "getMetadataInfo",
    parameterTypes: ["java.lang.String"],
    args: [metadata[MetadataKey.revision]],
  };
  const said = async (change) => {
    try {
      const value = await client.call(target, { ...right, ...change });
      return value === null ? "null" : value.className;
    } catch (error) {
      return `${error.name}, ${error.kind}: ${error.message}`;
    }
  };
  await trial.step(peer, "says what is wrong with a call over dubbo://, and the next one is answered", async () => {
    const saw = await Promise.all([
      said({}),
      said({ args: ["no such revision"] }),
      said({ group: "no-such-group" }),
      said({ method: "noSuchMethod" }),
      said({ service: "no.such.Service" }),
    ]);
    assert.equal(saw[0], "org.apache.dubbo.metadata.MetadataInfo");
    assert.equal(saw[1], "null");
    for (const line of saw.slice(2)) assert.match(line, /^DubboError, (?:peer|exception): ./);
    assert.match(saw[2], /no-such-group/);
    assert.equal(await said({}), saw[0]);
    await stop();
    const after = await said({});
    assert.match(after, /^DubboError, connect: connect ECONNREFUSED/);
    return [...saw, after].map((line) => line.slice(0, 150));
  });
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
  await wrongCalls(trial, `dubbo-go ${version}`, registry, app, () => provider.stop());
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
      await confirmed(crafted.register(createInstance({ ...instance, metadata })));
      await confirmed(crafted.mapping.add(NAME, app));
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
  if (wanted === "dubbo") await wrongCalls(trial, `dubbo-java ${version}`, registry, app, () => provider.stop());
  else await provider.stop();
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

const CONSUMERS = {
  "dubbo-go 3.3.2": (trial, nacos, peer) => goCalls(trial, nacos, peer, "3.3.2"),
  "dubbo-go 3.3.0": (trial, nacos, peer) => goCalls(trial, nacos, peer, "3.3.0"),
  "dubbo-java 3.3.6": (trial, nacos, peer) => javaCalls(trial, nacos, peer, "3.3.6"),
  "dubbo-java 3.2.19": (trial, nacos, peer) => javaCalls(trial, nacos, peer, "3.2.19"),
};

async function goCalls(trial, nacos, peer, version) {
  return dubboGoCalls(trial, await dubboGo(version), { where: { registry: nacos.url }, peer });
}

async function javaCalls(trial, nacos, peer, version) {
  const args = ["client", "--registry", nacos.url, "--calls", FOUR_KINDS.join(","), "--timeout", "5s"];
  const env = { PEER_JAVA_DUBBO: version };
  const child = trial.start(`dubbo-java ${version}`, await dubboJava(), args, { cwd: trial.folder(), env });
  return checkGreetings(await linesOf(child, FOUR_KINDS), { name: "peer-java", peer });
}

/** The consumer calls `name`, having asked for its metadata by `asked` and in no other way. */
async function served(trial, nacos, { app: { name }, paths }, consumer, asked, step) {
  await trial.step(consumer, step, async () => {
    paths.length = 0;
    const saw = await CONSUMERS[consumer](trial, nacos, new RegExp(`^dubhe ${name}`));
    const asks = new Set(paths.filter((path) => path.startsWith(pathOf(""))).map((path) => path.toLowerCase()));
    assert.deepEqual([...asks], [`${pathOf(asked)}/getMetadataInfo`.toLowerCase()]);
    return [`metadata asked by ${[...asks]}`, ...saw];
  });
}

async function servedAsV1(trial, nacos, registry) {
  const name = "dubhe-announcing-v1";
  const memory = new MemoryRegistryServer("announcing-v1");
  const runtime = createRuntime();
  const provider = await startDubhe(memoryRegistry(runtime, memory), name);
  trial.onEnd(() => provider.app[Symbol.asyncDispose]());
  const own = memoryRegistry(runtime, memory);
  trial.onEnd(() => own.close());
  const [instance] = await instancesOf(own, name);
  const metadata = { ...instance.metadata, [MetadataKey.metadataVersion]: "1.0.0" };
  const registration = registry.register(createInstance({ ...instance, metadata }));
  const entry = registry.mapping.add(NAME, name);
  await confirmed(registration);
  await confirmed(entry);
  await instancesOf(registry, name);
  const step = "reads V1 from a Dubhe provider whose instance says meta-v 1.0.0, and calls it";
  // Not dubbo-go 3.3.0: its hessian2 over Triple (`application/hessian2`) is understood by nobody else. Of us it asks V2.
  for (const consumer of ["dubbo-go 3.3.2", "dubbo-java 3.3.6"]) {
    await served(trial, nacos, provider, consumer, "", step);
  }
  await registration[Symbol.asyncDispose]();
  await entry[Symbol.asyncDispose]();
  // Its port too: nacos-sdk-go keeps the last list on disk, and believes it when the server has none.
  await provider.app[Symbol.asyncDispose]();
}

async function servedUntouched(trial, nacos) {
  const provider = await startDubhe(nacos.url, "dubhe-untouched");
  trial.onEnd(() => provider.app[Symbol.asyncDispose]());
  for (const consumer of Object.keys(CONSUMERS)) {
    const version = consumer === "dubbo-java 3.2.19" ? "" : "V2";
    const step = `reads ${version || "V1"} from an untouched Dubhe provider, and calls it`;
    await served(trial, nacos, provider, consumer, version, step);
  }
}
