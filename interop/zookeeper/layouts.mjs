// The nodes of dubbo-go and dubbo-java, as recorded, on a real server: read by us; and ours, looked at as they would.
import { createInstance, createServiceInfo, parseMetadataInfo } from "@dubhe/discovery";
import { confirmed, opener, shows, until, watchPorts } from "./bench.mjs";
import { openSession } from "./client.mjs";
import {
  GO_INSTANCE,
  GO_METADATA,
  GO_PROVIDER,
  JAVA_INSTANCE,
  JAVA_METADATA,
  JAVA_PARENT,
  JAVA_PROVIDER,
} from "./recorded.mjs";
import { startZookeeper } from "./server.mjs";

const SERVICE = "greet.GreetService";
const MAPPING = `/dubbo/mapping/${SERVICE}`;
const REF = { service: SERVICE, group: "", version: "" };

export async function layoutSteps(trial, version) {
  const server = await startZookeeper({ version });
  trial.onEnd(() => server.stop());
  const peer = `ZooKeeper ${version}`;
  const open = opener(trial, server.url);
  const outsider = await openSession(server.url);
  trial.onEnd(() => outsider.close());
  const put = ({ path, data, ephemeral }) => outsider.create(path, Buffer.from(data), { ephemeral });
  const textOf = async (path) => (await outsider.getData(path))?.data.toString();

  // As dubbo-java leaves them: parents with something in them.
  for (const path of ["/dubbo/mapping", `/dubbo/${SERVICE}`, `/dubbo/${SERVICE}/configurators`, "/dubbo/metadata"])
    await put({ path, data: JAVA_PARENT, ephemeral: false });
  await put({ path: `/dubbo/metadata/${SERVICE}/provider/java-provider`, data: "{}", ephemeral: false });
  for (const node of [GO_INSTANCE, GO_PROVIDER, GO_METADATA, JAVA_INSTANCE, JAVA_PROVIDER, JAVA_METADATA])
    await put(node);
  await put({ path: MAPPING, data: "go-provider,java-provider", ephemeral: false });

  const { registry } = open();
  const seen = [watchPorts(registry, "go-provider"), watchPorts(registry, "java-provider")];
  const signal = new AbortController().signal;

  await trial.step(peer, "instances of dubbo-go and dubbo-java are read", async () => {
    await shows(seen[0], [20_000]);
    await shows(seen[1], [20_010]);
    const names = await registry.names.applications(signal);
    equal(names.slice().sort(), ["go-provider", "java-provider"]);
    equal(await registry.names.interfaces(signal), [SERVICE]);
    return names;
  });

  await trial.step(peer, "metadata is read where dubbo-go and where dubbo-java keep it", async () => {
    const read = [];
    for (const { path, data } of [GO_METADATA, JAVA_METADATA]) {
      const [revision, application] = path.split("/").reverse();
      const info = await registry.metadata.fetch(application, revision, signal);
      equal(info, parseMetadataInfo(data).info);
      equal(await registry.metadata.revisions(application, signal), [revision]);
      read.push(`${path.slice(0, 40)}…: ${info.services.map(({ name, port }) => `${name} at port ${port}`)}`);
    }
    equal(await registry.metadata.revisions(SERVICE, signal), [], "what stands there is no revision");
    return read;
  });

  let providers;
  const broken = [];
  registry.interfaces.watch(REF, (event) => {
    if (event.kind !== "providers") return;
    providers = new Map(event.providers.map((one) => [one.instance.application, one]));
    broken.push(...event.malformed);
  });
  const applications = (expected) =>
    until(
      () => String([...(providers?.keys() ?? [])].sort()) === String(expected),
      () => `providers of ${expected}; there are those of ${[...(providers?.keys() ?? [])]}`,
      5_000,
    );

  await trial.step(peer, "provider URLs of dubbo-go and dubbo-java are read (interface level)", async () => {
    await applications(["go-provider", "java-provider"]);
    const [go, java] = [providers.get("go-provider"), providers.get("java-provider")];
    equal([go.instance.host, go.instance.port, go.service.protocol], ["192.0.2.2", 20_000, "tri"]);
    equal(go.instance.weight, 100, "dubbo-go's weight=0 says nothing");
    equal([java.instance.host, java.instance.port, java.service.params.release], ["192.0.2.2", 20_010, "3.3.6"]);
    equal(broken, []);
  });

  await trial.step(peer, "one changes (setData, as both do), one goes: seen", async () => {
    const revised = JAVA_INSTANCE.data.replace("0c6ac8805d1d679161952c70d306305f", "f".repeat(32));
    const lists = seen[1].lists;
    await outsider.setData(JAVA_INSTANCE.path, Buffer.from(revised), -1);
    await until(
      () => seen[1].lists === lists + 1,
      () => "another list",
      5_000,
    );
    await outsider.delete(GO_INSTANCE.path, -1);
    await outsider.delete(GO_PROVIDER.path, -1);
    await shows(seen[0], []);
    await applications(["java-provider"]);
  });

  const ours = open();
  const instance = createInstance({
    application: "ours",
    host: "10.0.0.1",
    port: 50_051,
    metadata: { "dubbo.metadata.revision": "r1", "meta-v": "2.0.0", timestamp: "1795412994635" },
  });
  const service = {
    name: SERVICE,
    group: "",
    version: "",
    protocol: "tri",
    path: SERVICE,
    params: { methods: "greet" },
  };
  const provider = (params) => ({ instance, service: createServiceInfo({ ...service, params }) });
  const info = { app: "ours", revision: "r1", services: [createServiceInfo({ ...service, port: 50_051 })] };

  await trial.step(peer, "our instance is, field by field, what dubbo-java writes", async () => {
    await confirmed(ours.registry.register(instance));
    const path = "/services/ours/10.0.0.1:50051";
    const [mine, theirs] = [JSON.parse(await textOf(path)), JSON.parse(JAVA_INSTANCE.data)];
    equal(Object.keys(mine), Object.keys(theirs), "fields, in their order");
    equal(Object.keys(mine.payload), Object.keys(theirs.payload));
    equal(mine.payload["@class"], theirs.payload["@class"]);
    equal([mine.id, mine.payload.id, mine.payload.name], ["10.0.0.1:50051", "10.0.0.1:50051", "ours"]);
    equal([mine.serviceType, mine.sslPort, mine.uriSpec], ["DYNAMIC", null, null]);
    equal(Math.abs(mine.registrationTimeUTC - Date.now()) < 60_000, true, "registrationTimeUTC is in ms");
    equal(mine.payload.metadata, instance.metadata);
    equal((await outsider.exists(path)).ephemeralOwner !== 0n, true, "ephemeral");
  });

  await trial.step(peer, "our metadata is in both places, the same bytes; what is removed goes from both", async () => {
    await confirmed(ours.registry.metadata.publish(info));
    const paths = ["/dubbo/metadata/ours/r1", "/dubbo/ours/r1"];
    const texts = await Promise.all(paths.map(textOf));
    equal(texts[0], texts[1]);
    const keys = Object.keys(JSON.parse(texts[0]));
    equal(keys.slice(0, 3), Object.keys(JSON.parse(JAVA_METADATA.data)));
    equal(Object.keys(JSON.parse(texts[0]).services), [`${SERVICE}:tri`]);
    equal((await outsider.exists(paths[0])).ephemeralOwner, 0n);
    await ours.registry.metadata.remove("ours", "r1", signal);
    equal(await Promise.all(paths.map(textOf)), [undefined, undefined]);
  });

  await trial.step(peer, "our application is appended to the mapping that others wrote", async () => {
    await confirmed(ours.registry.mapping.add(SERVICE, "ours"));
    equal(await textOf(MAPPING), "go-provider,java-provider,ours");
  });

  await trial.step(peer, "our provider URL has the form of the others; a changed one takes its place", async () => {
    const registration = ours.registry.interfaces.register(provider({ methods: "greet" }));
    await confirmed(registration);
    const names = async () =>
      (await outsider.children(`/dubbo/${SERVICE}/providers`)).filter((name) => name.includes("50051"));
    const [name] = await names();
    const start = `tri%3A%2F%2F10.0.0.1%3A50051%2F${SERVICE}%3F`;
    equal(name.slice(0, start.length), start);
    const query = decodeURIComponent(name.slice(start.length));
    const params = new Map(query.split("&").map((pair) => pair.split("=")));
    for (const key of ["application", "interface", "methods", "side", "timestamp"])
      equal(params.has(key), true, `${key} in ${query}`);
    equal([...params.keys()], [...params.keys()].sort(), "sorted, as dubbo-go's");
    await applications(["java-provider", "ours"]);
    registration.update(provider({ methods: "greet,leave" }));
    await until(
      () => providers.get("ours")?.service.params.methods === "greet,leave",
      () => "the change",
      5_000,
    );
    await confirmed(registration);
    equal((await names()).length, 1);
    await registration[Symbol.asyncDispose]();
    await applications(["java-provider"]);
    return query;
  });
}

function equal(actual, expected, what = "") {
  const [a, b] = [actual, expected].map((value) => JSON.stringify(value, bigints));
  if (a !== b) throw new Error(`${what === "" ? "" : `${what}: `}${a}, and not ${b}`);
}

function bigints(_key, value) {
  return typeof value === "bigint" ? String(value) : value;
}
