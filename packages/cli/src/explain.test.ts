import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { test } from "node:test";
import { createRuntime } from "@dubhe/concurrency";
import { createInstance, createMetadataInfo, MetadataKey } from "@dubhe/discovery";
import { EchoService, echoHandlers, leakCheck, TestAuthority } from "@dubhe/testing";
import { createApp } from "dubhe";
import { type ConfiguredRegistry, configureRegistries } from "dubhe/tools";
import { ApplicationSearch } from "./explain/application-search.js";
import { type Explanation, Findings } from "./explain/explanation.js";
import type { Session } from "./session.js";
import { closedPort, dubhe, type FakeProvider, filledRegistry, listener, memoryUrl } from "./test-support/bench.js";

const name = "greet.GreetService";
const tri = { name, protocol: "tri" };

/** The last lines: what the command concludes. */
function verdict(out: string): string {
  return out.slice(out.lastIndexOf("\n\n") + 2);
}

async function conclusion(url: string, ...args: readonly string[]): Promise<string> {
  const { code, out, err } = await dubhe(["explain", name, "-r", url, "--timeout", "400ms", ...args]);
  assert.equal(err, "");
  assert.equal(code, 1, out);
  return verdict(out);
}

test("a service that can be called: every step, and exit code 0", async (t) => {
  leakCheck(t);
  const url = memoryUrl();
  await using app = createApp({ name: "shop", registry: url });
  const server = app.createServer({ listen: "127.0.0.1:0" }).add(EchoService, echoHandlers());
  await server.start();
  const { typeName } = EchoService;
  const { code, out, err } = await dubhe(["explain", typeName, "-r", url]);
  const revision = /revision (\S+) of shop/.exec(out)?.[1];
  assert.equal(
    out,
    `Registry
  ✓ ${url} answers (N ms)
Mapping: which applications provide it?
  ✓ ${typeName} is mapped to shop in ${url}
Instances of these applications
  ✓ shop has 1 instance in ${url}: ${server.address}
Metadata: what do they offer?
  ✓ metadata of revision ${revision} of shop read from ${server.address}: 1 service
The service in it
  ✓ revision ${revision} of shop offers ${typeName} over tri
Endpoints
  ✓ ${server.address} (shop; ${url}; weight 100)
Connect
  ✓ ${server.address}: TCP N ms, HTTP/2 N ms

✓ ${typeName} over tri can be called: 1 of 1 endpoints`,
  );
  assert.deepEqual([code, err], [0, ""]);
  const { code: other } = await dubhe(["explain", `a/${typeName}:1.0.0`, "-r", url]);
  assert.equal(other, 1);
  await app.close({ graceMs: 0 });
});

test("nothing is mapped at all", async () => {
  const url = memoryUrl();
  assert.equal(
    await conclusion(url),
    `✗ greet.GreetService over tri cannot be called. First wrong: mapping
    no mapping: no application says in ${url} that it provides greet.GreetService; nothing is mapped there at all`,
  );
});

test("no mapping, but a similar one", async () => {
  const url = memoryUrl();
  await using _registry = await filledRegistry(url, { services: [{ name: "greet.GreeterService", protocol: "tri" }] });
  assert.equal(
    await conclusion(url),
    `✗ greet.GreetService over tri cannot be called. First wrong: mapping
    no mapping: no application says in ${url} that it provides greet.GreetService; nearest that has one: greet.GreeterService`,
  );
});

test("the mapping names an application without instances", async () => {
  const url = memoryUrl();
  const [configured] = configureRegistries(createRuntime(), url, "test", {});
  const { registry } = configured!.use;
  await registry.mapping.add(name, "shop").state.until((state) => state === "confirmed");
  assert.equal(
    await conclusion(url),
    `✗ greet.GreetService over tri cannot be called. First wrong: instances
    mapping names shop, which has no instances in ${url}: it is not running, or registers elsewhere`,
  );
  assert.equal(
    await conclusion(url, "--provided-by", "cart"),
    `✗ greet.GreetService over tri cannot be called. First wrong: instances
    the consumer looks in cart, which has no instances in ${url}: it is not running, or registers elsewhere`,
  );
  await registry.close();
});

test("an instance that has just registered: a registry that tells of it only a moment later is waited for", async () => {
  const url = memoryUrl();
  const port = await closedPort();
  const [configured] = configureRegistries(createRuntime(), url, "test", {});
  const { registry } = configured!.use;
  await registry.mapping.add(name, "shop").state.until((state) => state === "confirmed");
  const explained = dubhe(["explain", name, "-r", url]);
  await new Promise((resolve) => setTimeout(resolve, 100));
  await using _late = await filledRegistry(url, { port, services: [tri] });
  assert.match(verdict((await explained).out), /First wrong: connect\n/);
  await registry.close();
});

for (const [what, provider, says] of [
  [
    "the metadata's port is closed",
    (port: number): FakeProvider => ({
      port,
      services: [tri],
      reported: false,
      metadata: {
        [MetadataKey.revision]: "ab12",
        [MetadataKey.storageType]: "local",
        [MetadataKey.metadataVersion]: "2.0.0",
        [MetadataKey.metadataServiceParams]: `{"port":"${port}","protocol":"tri"}`,
      },
    }),
    (port: number) =>
      new RegExp(
        `metadata of revision ab12 of shop is unreadable: port ${port} of 127.0.0.1 refuses connections: nobody listens there$`,
      ),
  ],
  [
    "the instance does not say where its metadata is",
    (port: number): FakeProvider => ({
      port,
      services: [tri],
      reported: false,
      metadata: { [MetadataKey.revision]: "ab12", [MetadataKey.storageType]: "local" },
    }),
    () => /metadata of revision ab12 of shop is unreadable: .*no dubbo\.metadata-service\.url-params in its metadata/,
  ],
  [
    "it says remote, and there is none",
    (port: number): FakeProvider => ({
      port,
      services: [tri],
      reported: false,
      metadata: { [MetadataKey.revision]: "ab12" },
    }),
    () => /metadata of revision ab12 of shop is unreadable: memory:cli-\d+ has none; /,
  ],
  [
    "no revision",
    (port: number): FakeProvider => ({ port, services: [tri], metadata: { [MetadataKey.revision]: undefined } }),
    (port: number) =>
      new RegExp(
        `shop at 127.0.0.1:${port} has no revision: it is no Dubbo 3 instance, or it registers interfaces only \\(registry-type=interface\\)$`,
      ),
  ],
  [
    "it exports nothing",
    (port: number): FakeProvider => ({ port, services: [tri], metadata: { [MetadataKey.revision]: "0" } }),
    (port: number) => new RegExp(`shop at 127.0.0.1:${port} has revision "0": it exports nothing$`),
  ],
] as const) {
  test(`metadata: ${what}`, async () => {
    const url = memoryUrl();
    const port = await closedPort();
    await using _registry = await filledRegistry(url, provider(port));
    const said = await conclusion(url);
    assert.match(said, /First wrong: metadata\n/);
    assert.match(said, says(port));
  });
}

for (const [offered, args, says] of [
  [
    { ...tri, group: "a" },
    [],
    "group differs: the consumer asks for no group, the nearest match of revision R of shop is a/greet.GreetService over tri",
  ],
  [
    { ...tri, version: "1.0.0" },
    ["--version", "2.0.0"],
    'version differs: the consumer asks for version "2.0.0", the nearest match of revision R of shop is greet.GreetService:1.0.0 over tri',
  ],
  [
    { name, protocol: "dubbo" },
    [],
    "protocol differs: the consumer asks for tri, the nearest match of revision R of shop is greet.GreetService over dubbo",
  ],
  [
    { ...tri, group: "a", version: "1.0.0" },
    ["--group", "b"],
    'group and version differ: the consumer asks for group "b" and no version, the nearest match of revision R of shop is a/greet.GreetService:1.0.0 over tri',
  ],
] as const) {
  test(`the service differs: ${says}`, async () => {
    const url = memoryUrl();
    await using _registry = await filledRegistry(url, { services: [offered] });
    const said = await conclusion(url, ...args);
    assert.match(said, /First wrong: service\n/);
    assert.equal(
      said
        .split("\n")[1]
        ?.trim()
        .replace(/revision \S+/, "revision R"),
      says,
    );
  });
}

test("one revision offers it in another group, another as asked: no fault", async () => {
  const url = memoryUrl();
  const port = await closedPort();
  await using _one = await filledRegistry(url, { port: 1, services: [{ ...tri, group: "blue" }] });
  await using _other = await filledRegistry(url, { port, services: [tri] });
  const { out } = await dubhe(["explain", name, "-r", url]);
  assert.match(out, /The service in it\n( {2}[!✓] .*\n){2}Endpoints/);
  assert.match(
    out,
    /! group differs: the consumer asks for no group, the nearest match of revision \S+ of shop is blue\//,
  );
  assert.match(verdict(out), /First wrong: connect/);
});

test("the application offers other services", async () => {
  const url = memoryUrl();
  const services = [{ name: "greet.GreetServices", protocol: "tri" }];
  await using _registry = await filledRegistry(url, { services, mapped: [name] });
  assert.match(
    await conclusion(url),
    /First wrong: service\n +revision \S+ of shop does not offer greet.GreetService: nearest match greet.GreetServices$/,
  );
});

for (const [instance, says] of [
  [{ enabled: false }, "disabled in the registry"],
  [{ healthy: false }, "reported unhealthy by the registry"],
  [{ weight: 0 }, "has weight 0"],
] as const) {
  test(`the only instance is excluded: ${says}`, async () => {
    const url = memoryUrl();
    await using _registry = await filledRegistry(url, { port: 50_051, services: [tri], instance });
    assert.equal(
      await conclusion(url),
      `✗ greet.GreetService over tri cannot be called. First wrong: endpoints
    127.0.0.1:50051 of shop takes no calls: ${says}`,
    );
  });
}

test("nobody listens there", async () => {
  const url = memoryUrl();
  const port = await closedPort();
  await using _registry = await filledRegistry(url, { port, services: [tri] });
  assert.equal(
    await conclusion(url),
    `✗ greet.GreetService over tri cannot be called. First wrong: connect
    port ${port} of 127.0.0.1 refuses connections: nobody listens there`,
  );
});

test("the name cannot be resolved", async () => {
  const url = memoryUrl();
  await using _registry = await filledRegistry(url, { host: "nowhere.invalid", port: 7, services: [tri] });
  assert.match(
    await conclusion(url),
    /First wrong: connect\n +the name nowhere\.invalid cannot be resolved \((ENOTFOUND|EAI_AGAIN)\)$/,
  );
});

for (const [what, onSocket, says] of [
  [
    "HTTP/1.1",
    (socket: Socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"),
    "is not HTTP/2: it answers in HTTP/1.1",
  ],
  [
    "the dubbo protocol",
    (socket: Socket) => socket.write(Buffer.from("dabb2200000000000000000000000000", "hex")),
    "is not HTTP/2: it speaks the dubbo protocol",
  ],
  ["nothing", () => {}, "is not HTTP/2: it accepts connections, and answers nothing (waited up to N ms)"],
  [
    "something else",
    (socket: Socket) => socket.write("SSH-2.0-x\r\n"),
    "is not HTTP/2: it begins with 5353482d322e302d780d0a",
  ],
] as const) {
  test(`something listens there that speaks ${what}`, async (t) => {
    const url = memoryUrl();
    const port = await listener(t, onSocket);
    await using _registry = await filledRegistry(url, { port, services: [tri] });
    assert.equal(
      await conclusion(url),
      `✗ greet.GreetService over tri cannot be called. First wrong: connect
    127.0.0.1:${port} ${says}`,
    );
  });
}

test("TLS: expected, given, and given to a server that has none", async (t) => {
  const url = memoryUrl();
  const authority = new TestAuthority();
  const { cert, key } = authority.issue({ name: "localhost" });
  await using app = createApp({ name: "shop", registry: url, tls: { ca: authority.cert } });
  const server = app.createServer({ listen: "127.0.0.1:0", tls: { cert, key } }).add(EchoService, echoHandlers());
  await server.start();
  const port = Number(server.address.split(":")[1]);
  const reported = memoryUrl();
  await using _registry = await filledRegistry(reported, { port, services: [tri] });
  assert.equal(
    await conclusion(reported),
    `✗ greet.GreetService over tri cannot be called. First wrong: connect
    127.0.0.1:${port} speaks TLS, and the consumer would speak clear text: give the App \`tls\` (here: --tls)`,
  );
  assert.match(await conclusion(reported, "--tls"), /127\.0\.0\.1:\d+: its certificate is not accepted: /);
  const clear = memoryUrl();
  const plain = await listener(t, (socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
  await using _clear = await filledRegistry(clear, { port: plain, services: [tri] });
  assert.match(await conclusion(clear, "--tls"), /127\.0\.0\.1:\d+: it does not speak TLS, or not with us: [a-z ]+$/);
  await app.close({ graceMs: 0 });
});

test("a registry that cannot be reached is the first thing wrong; a password is never shown", async () => {
  const said = await conclusion("nacos://user:s3cret@127.0.0.1:1?grpc-port=1");
  assert.match(
    said,
    /First wrong: registry\n +nacos:\/\/127\.0\.0\.1:1\/public\/DEFAULT_GROUP cannot be used: port 1 of 127\.0\.0\.1 refuses connections: nobody listens there \(of Nacos it is the gRPC port, by default the URL's \+ 1000\)\. Start the registry, or correct its URL$/,
  );
  assert.doesNotMatch(said, /s3cret/);
});

test("a registry that accepts connections and says nothing, as another kind of server does", async (t) => {
  const port = await listener(t, () => {});
  assert.match(
    await conclusion(`zookeeper://127.0.0.1:${port}`),
    /First wrong: registry\n +zookeeper:\/\/127\.0\.0\.1:\d+ cannot be used: no answer within N ms$/,
  );
});

test("the embedded registry where nobody serves it: it is not started", async () => {
  const port = await closedPort();
  assert.equal(
    await conclusion(`embedded://127.0.0.1:${port}`),
    `✗ greet.GreetService over tri cannot be called. First wrong: registry
    embedded://127.0.0.1:${port}/public/DEFAULT_GROUP cannot be used: nobody serves the embedded registry: 127.0.0.1:${port} is not open, so no Dubhe process of this machine runs with it. Start one, or name another registry: --registry URL`,
  );
});

test("several registries: one endpoint for what both have; what cannot be reached is said in the verdict, too", async () => {
  const [one, other] = [memoryUrl(), memoryUrl()];
  const port = await closedPort();
  await using _one = await filledRegistry(one, { port, services: [tri] });
  await using _other = await filledRegistry(other, { port, services: [tri] });
  const { out } = await dubhe(["explain", name, "-r", one, "-r", other]);
  assert.match(
    out,
    new RegExp(`Endpoints\n  ✓ 127.0.0.1:${port} \\(shop; ${one} and ${other}; weight 100\\)\nConnect`),
  );
});

test("the verdict has a line for each registry, as JSON one text", async () => {
  const [one, other, down] = [memoryUrl(), memoryUrl(), "nacos://127.0.0.1:1?grpc-port=1"];
  const args = ["explain", name, "-r", one, "-r", other, "-r", down, "--timeout", "400ms"];
  const { out } = await dubhe(args);
  const texts = [
    `no mapping: no application says in ${one} that it provides greet.GreetService; nothing is mapped there at all`,
    `no mapping: no application says in ${other} that it provides greet.GreetService; nothing is mapped there at all`,
    "nacos://127.0.0.1:1/public/DEFAULT_GROUP cannot be used: port 1 of 127.0.0.1 refuses connections: nobody listens there (of Nacos it is the gRPC port, by default the URL's + 1000). Start the registry, or correct its URL",
  ];
  assert.deepEqual(verdict(out).split("\n"), [
    "✗ greet.GreetService over tri cannot be called. First wrong: mapping",
    ...texts.map((text) => `    ${text}`),
  ]);
  const { problem } = JSON.parse((await dubhe([...args, "--json"])).out) as Explanation;
  assert.deepEqual(problem, { step: "mapping", text: texts.join("; "), texts });
});

test("both models: the endpoints are those that a consumer calls, by the migration rule of its application", async () => {
  const url = memoryUrl();
  const both = `${url}?registry-type=all`;
  await using app = createApp({ name: "shop", registry: both });
  const one = app.createServer({ listen: "127.0.0.1:0" }).add(EchoService, echoHandlers(), { group: "one" });
  await one.start();
  await using later = createApp({ name: "later", registry: `${url}?registry-type=interface` });
  const byInterface = later.createServer({ listen: "127.0.0.1:0" }).add(EchoService, echoHandlers(), { group: "one" });
  await byInterface.start();
  const args = ["explain", `one/${EchoService.typeName}`, "-r", both];
  const { consumer, endpoints } = JSON.parse((await dubhe([...args, "--json"])).out) as Explanation;
  assert.deepEqual(consumer?.migrations, [{ registry: url, step: "APPLICATION_FIRST", shown: "application" }]);
  assert.deepEqual(
    endpoints.map(({ address }) => address),
    [one.address],
  );
  const { out } = await dubhe(args);
  assert.match(out, /Endpoints\n.*both models; by migration step APPLICATION_FIRST the application level counts\n/);
  assert.match(out, new RegExp(`! not among the consumer's endpoints: ${byInterface.address}\n`));
  await Promise.all([app.close({ graceMs: 0 }), later.close({ graceMs: 0 })]);
});

test("that one registry, or one model, knows nothing of it is a note where another has it", async () => {
  const [one, other] = [`${memoryUrl()}?registry-type=all`, memoryUrl()];
  await using app = createApp({ name: "shop", registry: one.replace("all", "service") });
  const server = app.createServer({ listen: "127.0.0.1:0" }).add(EchoService, echoHandlers());
  await server.start();
  const { code, out } = await dubhe(["explain", EchoService.typeName, "-r", one, "-r", other]);
  assert.equal(code, 0, out);
  assert.match(out, /! no provider: nobody registers the interface/);
  assert.match(out, new RegExp(`! no mapping: no application says in ${other} `));
  assert.doesNotMatch(out, /✗/);
  await app.close({ graceMs: 0 });
});

test("a method is no part of a service", async () => {
  const url = memoryUrl();
  await using _registry = await filledRegistry(url, { services: [tri] });
  assert.match(
    verdict((await dubhe(["explain", `${name}/Greet`, "-r", url])).out),
    /it provides Greet; greet\.GreetService has one: group\/interface is asked for, not interface\/method$/,
  );
});

test("registries that the consumer would not ask", async () => {
  const { out } = await dubhe(["explain", name, "-r", `${memoryUrl()}?subscribe=false`]);
  assert.match(verdict(out), /First wrong: registry\n +every registry has subscribe=false: none would be asked/);
});

test("interface-level: nobody, a provider of another version, a provider", async () => {
  const url = memoryUrl();
  const byInterface = `${url}?registry-type=interface`;
  assert.equal(
    await conclusion(byInterface),
    `✗ greet.GreetService over tri cannot be called. First wrong: mapping
    no provider: nobody registers the interface greet.GreetService itself in ${url}`,
  );
  const port = await closedPort();
  await using filled = await filledRegistry(url);
  const { interfaces } = filled.registry;
  const registration = interfaces!.register({
    instance: createInstance({ application: "shop", host: "127.0.0.1", port }),
    service: { name, group: "", version: "1.0.0", protocol: "tri", port, path: name, params: {} },
  });
  await registration.state.until((state) => state === "confirmed");
  assert.match(
    await conclusion(byInterface),
    /First wrong: service\n +version differs: the consumer asks for no version/,
  );
  assert.match(
    await conclusion(byInterface, "--version", "1.0.0"),
    new RegExp(`First wrong: connect\n +port ${port} of 127.0.0.1 refuses connections`),
  );
});

test("as JSON: one document with every step", async () => {
  const url = memoryUrl();
  const port = await closedPort();
  await using _registry = await filledRegistry(url, { port, services: [{ ...tri, group: "a" }] });
  const { code, out } = await dubhe(["explain", `a/${name}`, "-r", url, "--json"]);
  const { steps, ...document } = JSON.parse(out) as { steps: { name: string }[] };
  assert.equal(code, 1);
  assert.deepEqual(
    steps.map((step) => step.name),
    ["registry", "mapping", "instances", "metadata", "service", "endpoints", "connect"],
  );
  const text = `port ${port} of 127.0.0.1 refuses connections: nobody listens there`;
  assert.deepEqual(document, {
    service: { service: name, group: "a", version: "", protocol: "tri" },
    registries: [url],
    consumer: { state: "bound", reason: null, excluded: [], migrations: [] },
    endpoints: [
      {
        address: `127.0.0.1:${port}`,
        host: "127.0.0.1",
        port,
        applications: ["shop"],
        registries: [url],
        weight: 100,
        probe: { ok: false, problem: "refused", text },
      },
    ],
    callable: false,
    problem: { step: "connect", text, texts: [text] },
  });
});

test("metadata: whom the instance does not answer the report does, as it does for a consumer", async () => {
  const port = await closedPort();
  const url = memoryUrl();
  await using _registry = await filledRegistry(url, {
    port,
    services: [tri],
    metadata: {
      [MetadataKey.storageType]: "local",
      [MetadataKey.metadataVersion]: "2.0.0",
      [MetadataKey.metadataServiceParams]: `{"port":"${port}","protocol":"tri"}`,
    },
  });
  const { code, out } = await dubhe(["explain", name, "-r", url]);
  assert.equal(code, 1);
  assert.match(out, new RegExp(`✓ metadata of revision .* of shop read from ${url}: 1 service`));
  assert.match(out, /First wrong: connect/);
});

test("metadata: of another revision than the instance's, as after a restart that the registry has not heard of", async () => {
  const { signal } = new AbortController();
  const metadata = { [MetadataKey.revision]: "old", [MetadataKey.storageType]: "local" };
  const instance = createInstance({ application: "shop", host: "h", port: 1, metadata });
  const session = {
    signal,
    mapping: async () => ["shop"],
    someInstances: async () => ({ instances: [instance], malformed: [] }),
    within: (fn: (signal: AbortSignal) => unknown) => fn(signal),
    fetchMetadata: async () => ({
      ...createMetadataInfo({ app: "shop", services: [{ ...tri, port: 1 }] }),
      revision: "new",
    }),
  } as unknown as Session;
  const registry = { use: { registry: { id: "r" }, applications: [] } } as unknown as ConfiguredRegistry;
  const ref = { service: name, group: "", version: "", protocol: "tri" };
  const findings = new Findings();
  const probe = () => Promise.reject(new Error("nothing to probe"));
  assert.deepEqual(await new ApplicationSearch(session, registry, ref, findings, probe).run(), []);
  const text = "metadata of revision old of shop is unreadable: h:1 has revision new instead";
  assert.deepEqual(findings.problem(), { step: "metadata", text, texts: [text] });
});

test("what a registry holds cannot drive the terminal", async () => {
  const url = memoryUrl();
  await using _registry = await filledRegistry(url, {
    services: [tri],
    metadata: { [MetadataKey.revision]: "\u001b[2Jx" },
  });
  const { out } = await dubhe(["explain", name, "-r", url]);
  assert.match(out, /metadata of revision \\x1b\[2Jx of shop/);
  assert.ok(!out.includes("\u001b"));
});

test("not as JSON either, which says the same all the same", async () => {
  const url = memoryUrl();
  const hostile = "\u009b2J\u007f\u001b[2J";
  await using _registry = await filledRegistry(url, {
    services: [tri],
    metadata: { [MetadataKey.revision]: hostile },
  });
  const commands = [["explain", name], ["doctor", name], ["ls"], ["ls", "instances"]];
  for (const args of commands.flatMap((one) => [one, [...one, "--json"]])) {
    const { out, err } = await dubhe([...args, "-r", url]);
    assert.doesNotMatch(`${out}${err}`, /(?!\n)\p{Cc}/u, args.join(" "));
  }
  const listed = JSON.parse((await dubhe(["ls", "instances", "--json", "-r", url])).out) as {
    instances: { revision: string }[];
  };
  assert.equal(listed.instances[0]?.revision, hostile);
});

test("nor reorder its lines", async () => {
  const url = memoryUrl();
  const revision = "\u202eevil\u2066x\u200f\u061c";
  await using _registry = await filledRegistry(url, {
    services: [tri],
    metadata: { [MetadataKey.revision]: revision },
  });
  assert.match((await dubhe(["ls", "instances", "-r", url])).out, / {2}\\u202eevil\\u2066x\\u200f\\u061c$/);
  const { out } = await dubhe(["ls", "instances", "-r", url, "--json"]);
  assert.ok(out.includes("\\u202eevil\\u2066x"));
  assert.equal((JSON.parse(out) as { instances: { revision: string }[] }).instances[0]?.revision, revision);
});

test("Ctrl-C ends it in order, with 130", async (t) => {
  leakCheck(t);
  const controller = new AbortController();
  const url = memoryUrl();
  const port = await listener(t, () => controller.abort());
  await using _registry = await filledRegistry(url, { port, services: [tri] });
  const { code, out } = await dubhe(["explain", name, "-r", url], { signal: controller.signal });
  assert.deepEqual([code, out], [130, ""]);
});
