import assert from "node:assert/strict";
import { test } from "node:test";
import { createInstance, sameInstance } from "@dubhe/discovery";
import fc from "fast-check";
import { formatInstance, isInstance, readInstance } from "./instance-codec.js";

/** As dubbo-go 3.3.2 wrote it. */
const FROM_GO =
  '{"ID":"192.0.2.2:20000","ServiceName":"go-provider","Host":"192.0.2.2","Port":20000,"Weight":0,"Enable":true,"Healthy":true,"Metadata":{"dubbo.endpoints":"[{\\"port\\":20000,\\"protocol\\":\\"tri\\"}]","dubbo.metadata-service.url-params":"{\\"group\\":\\"go-provider\\",\\"port\\":\\"45637\\",\\"protocol\\":\\"dubbo\\",\\"release\\":\\"3.3.2\\",\\"serialization\\":\\"hessian2\\",\\"version\\":\\"1.0.0\\"}","dubbo.metadata.revision":"00ff2437","dubbo.metadata.storage-type":"local","dubbo.subscribed-services.revision":"0","meta-v":"1.0.0","registry.id":"main"},"ServiceMetadata":{"app":"go-provider","revision":"00ff2437","services":{"greet.GreetService:tri":{"name":"greet.GreetService","protocol":"tri","port":20000,"path":"greet.GreetService","params":{"weight":"0"}}}},"Address":"","GroupName":"","Tag":"gray"}\n';

test("an instance of dubbo-go is read", () => {
  const instance = readInstance("go-provider", "192.0.2.2:20000", FROM_GO);
  assert.ok(isInstance(instance));
  assert.equal(instance.application, "go-provider");
  assert.equal(instance.host, "192.0.2.2");
  assert.equal(instance.port, 20_000);
  assert.equal(instance.weight, 100, "its 0 means: not set");
  assert.equal(instance.metadata["dubbo.metadata.revision"], "00ff2437");
  assert.equal(instance.metadata["meta-v"], "1.0.0");
  assert.equal(instance.metadata["dubbo.tag"], "gray");
});

test("what we write has every field of dubbo-go's, in its order", () => {
  const ours = JSON.parse(formatInstance(createInstance({ application: "a", host: "h", port: 1 })));
  assert.deepEqual(Object.keys(ours), Object.keys(JSON.parse(FROM_GO)));
  for (const [key, value] of Object.entries(JSON.parse(FROM_GO)))
    if (key !== "ServiceMetadata") assert.equal(typeof ours[key], typeof value, key);
});

const instances = fc
  .record({
    host: fc.constantFrom("10.0.0.1", "h.example", "::1", "fe80::1"),
    port: fc.integer({ min: 1, max: 65_535 }),
    weight: fc.integer({ min: 0, max: 10_000 }),
    healthy: fc.boolean(),
    enabled: fc.boolean(),
    metadata: fc.dictionary(fc.string(), fc.string()),
  })
  .map((init) => createInstance({ application: "shop", ...init }));

test("property: every instance is read back as it was written", () => {
  fc.assert(
    fc.property(instances, (instance) => {
      const { Host, Port, ID } = JSON.parse(formatInstance(instance)) as { Host: string; Port: number; ID: string };
      assert.equal(Host, instance.host);
      assert.equal(Port, instance.port);
      const read = readInstance("shop", ID, formatInstance(instance));
      assert.ok(isInstance(read) && sameInstance(read, instance), JSON.stringify(read));
    }),
  );
});

test("garbage is named, never thrown (D-25)", () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ["", /not JSON/],
    ["{", /not JSON/],
    ["[]", /not a JSON object/],
    ["null", /not a JSON object/],
    ['{"Port":1}', /no Host/],
    ['{"Host":"h"}', /its Port is missing/],
    ['{"Host":"h","Port":70000}', /its Port is 70000/],
    ['{"Host":"other","Port":1}', /says that it is other:1/],
  ];
  for (const [text, reason] of cases) {
    const read = readInstance("shop", "h:1", text);
    assert.ok(!isInstance(read), text);
    assert.equal(read.id, "h:1");
    assert.match(read.reason, reason);
  }
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      const read = readInstance("shop", "h:1", text);
      assert.ok(isInstance(read) || read.reason.length > 0);
    }),
  );
});

test("a value of any depth is named, too: whoever throws here ends the watch, each time that it begins again", () => {
  for (const open of ["[", '{"a":']) {
    const deep = `${open.repeat(20_000)}1${(open === "[" ? "]" : "}").repeat(20_000)}`;
    const read = readInstance("shop", "h:1", `{"Host":"h","Port":${deep}}`);
    assert.ok(!isInstance(read));
    assert.match(read.reason, /its Port is/);
    assert.ok(read.reason.length < 200, `${read.reason.length}`);
  }
});
