import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  computeRevision,
  createMetadataInfo,
  createServiceInfo,
  type MetadataInfo,
  matchKey,
  parseMetadataInfo,
  type ServiceInfoInit,
  serviceKey,
  stringifyMetadataInfo,
} from "./metadata-info.js";

const text = fc.constantFrom("", "a", "b", "g/x", "1.0.0", "0.0.0", "tri", "dubbo", "é");
const service: fc.Arbitrary<ServiceInfoInit> = fc.record(
  {
    name: fc.constantFrom("greet.GreetService", "a.A", "b.B"),
    group: text,
    version: text,
    protocol: fc.constantFrom("tri", "dubbo"),
    port: fc.constantFrom(0, 20_000, 20_001),
    path: fc.constantFrom("p", "q"),
    params: fc.dictionary(
      fc.constantFrom("weight", "timeout", "methods", "say.timeout"),
      fc.constantFrom("1", "2", "b,a", ""),
    ),
  },
  { requiredKeys: ["name", "group", "version", "protocol", "port", "path", "params"] },
);

function info(services: readonly ServiceInfoInit[], app = "shop"): MetadataInfo {
  return createMetadataInfo({ app, services });
}

test("D-42: the revision does not depend on order, process or time", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(service, { selector: (s) => matchKey(createServiceInfo(s)), minLength: 1 }),
      fc.infiniteStream(fc.nat()),
      (services, chance) => {
        const shuffled = services
          .map((s) => ({
            s: { ...s, params: Object.fromEntries(Object.entries(s.params ?? {}).reverse()) },
            at: chance.next().value as number,
          }))
          .sort((a, b) => a.at - b.at)
          .map(({ s }) => s);
        assert.equal(info(services).revision, info(shuffled).revision);
      },
    ),
  );
  // Pinned: another process, another day, another version of this program.
  const pinned = info([
    { name: "greet.GreetService", version: "1.0.0", port: 20_000, params: { methods: "greet,chat", weight: "100" } },
  ]);
  assert.equal(pinned.revision, "74f6780b8e6ed5820ad005d7b36e7c4d");
});

test("D-42: every change of a field that consumers use changes the revision", () => {
  const change = fc.constantFrom<(s: ServiceInfoInit) => ServiceInfoInit>(
    (s) => ({ ...s, name: `${s.name}X` }),
    (s) => ({ ...s, group: `${s.group}X` }),
    (s) => ({ ...s, version: `${s.version}X` }),
    (s) => ({ ...s, protocol: s.protocol === "tri" ? "dubbo" : "tri" }),
    (s) => ({ ...s, port: (s.port ?? 0) + 7 }),
    (s) => ({ ...s, path: `${s.path}X` }),
    (s) => ({ ...s, params: { ...s.params, weight: `${s.params?.weight ?? ""}X` } }),
    (s) => ({ ...s, params: { ...s.params, added: "" } }),
    (s) => ({ ...s, params: { ...s.params, methods: `${s.params?.methods ?? ""},X` } }),
  );
  fc.assert(
    fc.property(service, change, (before, fn) => {
      assert.notEqual(info([before]).revision, info([fn(before)]).revision);
    }),
  );
  assert.notEqual(info([{ name: "a" }]).revision, info([{ name: "a" }], "other").revision);
  assert.notEqual(
    info([{ name: "a" }]).revision,
    createMetadataInfo({ app: "shop", services: [{ name: "a" }], tag: "gray" }).revision,
  );
});

test("D-42: two contents whose joined texts are equal have different revisions", () => {
  assert.notEqual(
    info([{ name: "a", params: { k: "1", l: "2" } }]).revision,
    info([{ name: "a", params: { k: '1","l":"2' } }]).revision,
  );
  assert.notEqual(info([{ name: "ab", group: "c" }]).revision, info([{ name: "a", group: "bc" }]).revision);
});

test("D-43: a hundred restarts have one revision", () => {
  const revisions = new Set<string>();
  for (let start = 0; start < 100; start++) {
    revisions.add(
      info([{ name: "a", params: { timestamp: String(1_700_000_000_000 + start), pid: String(start), weight: "1" } }])
        .revision,
    );
  }
  assert.equal(revisions.size, 1);
});

test("the revision is lower-case hex, and 0 without services", () => {
  assert.match(info([{ name: "a" }]).revision, /^[0-9a-f]{32}$/);
  assert.equal(info([]).revision, "0");
});

test("D-81: what is written carries the revision of exactly its content", () => {
  fc.assert(
    fc.property(fc.array(service), (services) => {
      const written = stringifyMetadataInfo(info(services));
      const parsed = parseMetadataInfo(written);
      assert.ok(parsed.ok && parsed.dropped.length === 0);
      assert.equal(computeRevision(parsed.info.app, parsed.info.services, parsed.info.tag), parsed.info.revision);
      assert.equal(stringifyMetadataInfo(parsed.info), written, "read and written again, the bytes are the same");
    }),
  );
});

test("D-81: an info is frozen, whatever becomes of what it was made from", () => {
  const params = { weight: "1" };
  const services = [{ name: "a", params }];
  const made = info(services);
  params.weight = "2";
  services.push({ name: "b", params });
  assert.equal(made.services.length, 1);
  assert.equal(made.services[0]?.params.weight, "1");
  assert.ok(
    Object.isFrozen(made.services) && Object.isFrozen(made.services[0]) && Object.isFrozen(made.services[0]?.params),
  );
});

test("the JSON has the fields of dubbo-java and dubbo-go, and no tag unless set", () => {
  const made = info([
    { name: "greet.GreetService", group: "g", version: "1.0.0", port: 20_000, params: { methods: "greet" } },
  ]);
  assert.deepEqual(JSON.parse(stringifyMetadataInfo(made)), {
    app: "shop",
    revision: made.revision,
    services: {
      "g/greet.GreetService:1.0.0:tri": {
        name: "greet.GreetService",
        group: "g",
        version: "1.0.0",
        protocol: "tri",
        port: 20_000,
        path: "greet.GreetService",
        params: { methods: "greet" },
      },
    },
  });
});

test("of two services that consumers cannot tell apart, the later counts", () => {
  const made = info([
    { name: "a", port: 1 },
    { name: "a", version: "0.0.0", port: 2 },
  ]);
  assert.deepEqual(
    made.services.map((s) => s.port),
    [2],
  );
});

test("service keys drop version 0.0.0, as dubbo-go does", () => {
  assert.equal(serviceKey({ name: "a.A", group: "", version: "0.0.0" }), "a.A");
  assert.equal(serviceKey({ name: "a.A", group: "g", version: "1" }), "g/a.A:1");
});

test("what dubbo-java wrote to ZooKeeper is read", () => {
  const parsed = parseMetadataInfo(
    '{"app":"java-provider","revision":"eed06426043619e53f4eb99483230a06","services":{"greet.GreetService:tri":{"name":"greet.GreetService","params":{"side":"provider","release":"3.3.6","methods":"greet,greetAsync,greetBidiStream,greetClientStream,greetServerStream","deprecated":"false","dubbo":"2.0.2","interface":"greet.GreetService","service-name-mapping":"true","generic":"false","revision":"java","proxy":"nativestub","metadata-type":"remote","application":"java-provider","prefer.serialization":"hessian2,fastjson2","dynamic":"true","REGISTRY_CLUSTER":"default"},"path":"greet.GreetService","port":20010,"protocol":"tri"}}}',
  );
  assert.ok(parsed.ok);
  assert.equal(parsed.info.revision, "eed06426043619e53f4eb99483230a06");
  const [first] = parsed.info.services;
  assert.deepEqual(
    { ...first, params: Object.keys(first?.params ?? {}).length },
    {
      name: "greet.GreetService",
      group: "",
      version: "",
      protocol: "tri",
      port: 20010,
      path: "greet.GreetService",
      params: 15,
    },
  );
});

test("what dubbo-go wrote to ZooKeeper is read", () => {
  const parsed = parseMetadataInfo(
    '{"app":"go-provider","revision":"a4511178","services":{"greet.GreetService:tri":{"name":"greet.GreetService","protocol":"tri","port":20000,"path":"greet.GreetService","params":{"application":"go-provider","cluster":"failover","loadbalance":"random","methods":"Greet,greet","release":"dubbo-golang-3.3.2","timestamp":"1795412877","weight":"0"}}},"lastUpdatedTime":1795412877877}',
  );
  assert.ok(parsed.ok && parsed.dropped.length === 0);
  assert.equal(parsed.info.services[0]?.params.timestamp, "1795412877", "others' params are kept as they are");
});

test("missing, null and odd fields do no harm, and one garbage service does not hide the others", () => {
  const parsed = parseMetadataInfo({
    app: "shop",
    extendParams: {},
    services: {
      k1: { name: "a", port: "20000", params: null, protocol: "tri", nonsense: [1] },
      k2: null,
      k3: { group: "no name" },
      k4: "text",
      k5: { name: "b", port: -1, params: { n: 1, yes: true, no: null, list: [] } },
    },
  });
  assert.ok(parsed.ok);
  assert.deepEqual(
    parsed.info.services.map((s) => [s.name, s.port, { ...s.params }]),
    [
      ["a", 20_000, {}],
      ["b", 0, { n: "1", yes: "true" }],
    ],
  );
  assert.equal(parsed.dropped.length, 3);
  assert.match(parsed.dropped.join(), /"k2".*"k3".*"k4"/);
  const none = parseMetadataInfo({ app: "shop", revision: "1" });
  assert.ok(none.ok && none.info.services.length === 0);
});

test("garbage is a reason, never a throw", () => {
  for (const input of ["", "{", "[]", "null", "7", '"x"', undefined, null, 7, [], '{"services":7}']) {
    const parsed = parseMetadataInfo(input);
    assert.equal(parsed.ok, false, String(input));
    assert.ok(!parsed.ok && parsed.reason.length > 10);
  }
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string(), fc.anything()), (input) => {
      parseMetadataInfo(input);
    }),
  );
});
