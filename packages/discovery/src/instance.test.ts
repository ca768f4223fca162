import assert from "node:assert/strict";
import { test } from "node:test";
import {
  clampWeight,
  createInstance,
  endpointsOf,
  formatEndpoints,
  formatMetadataServiceParams,
  type Instance,
  instanceKey,
  metadataServiceParamsOf,
  revisionOf,
  sameInstance,
  startTimeOf,
  storageTypeOf,
  tagOf,
} from "./instance.js";

function withMetadata(metadata: Record<string, string>): Instance {
  return createInstance({ application: "shop", host: "10.0.0.1", port: 20_000, metadata });
}

/** As dubbo-java 3.3.6 registers itself in ZooKeeper. */
const java = withMetadata({
  "dubbo.endpoints": '[{"port":20010,"protocol":"tri"}]',
  "dubbo.metadata-service.url-params":
    '{"prefer.serialization":"hessian2,fastjson2","version":"2.0.0","dubbo":"2.0.2","release":"3.3.6","side":"provider","port":"20010","protocol":"tri"}',
  "dubbo.metadata.revision": "0c6ac8805d1d679161952c70d306305f",
  "dubbo.metadata.storage-type": "local",
  "meta-v": "2.0.0",
  timestamp: "1795412900406",
});

test("what dubbo-java writes is read", () => {
  assert.deepEqual(endpointsOf(java), [{ protocol: "tri", port: 20010 }]);
  assert.deepEqual(metadataServiceParamsOf(java), {
    ok: true,
    port: 20010,
    protocol: "tri",
    version: "2.0.0",
    metadataVersion: "2.0.0",
  });
  assert.equal(revisionOf(java), "0c6ac8805d1d679161952c70d306305f");
  assert.equal(storageTypeOf(java), "local");
  assert.equal(startTimeOf(java), 1795412900406);
});

test("an instance without metadata has the defaults of what it does not say", () => {
  const bare = createInstance({ application: "shop", host: "10.0.0.1", port: 1 });
  assert.deepEqual(
    [revisionOf(bare), storageTypeOf(bare), tagOf(bare), startTimeOf(bare)],
    ["", "local", "", undefined],
  );
  assert.deepEqual([bare.weight, bare.healthy, bare.enabled], [100, true, true]);
  assert.deepEqual(endpointsOf(bare), []);
});

test("D-44: broken url-params give a reason, never a throw", () => {
  const table: readonly (readonly [string | undefined, RegExp])[] = [
    [undefined, /no dubbo\.metadata-service\.url-params/],
    ["", /no dubbo\.metadata-service\.url-params/],
    ["not json", /not a JSON object/],
    ["[]", /not a JSON object/],
    ["null", /not a JSON object/],
    ['{"protocol":"tri"}', /names no port/],
    ['{"port":"","protocol":"tri"}', /names no port/],
    ['{"port":"http","protocol":"tri"}', /names no port/],
    ['{"port":0,"protocol":"tri"}', /names no port/],
    ['{"port":"70000","protocol":"tri"}', /names no port/],
    ['{"port":"20000"}', /names no protocol/],
  ];
  for (const [text, reason] of table) {
    const params = metadataServiceParamsOf(
      withMetadata(text === undefined ? {} : { "dubbo.metadata-service.url-params": text }),
    );
    assert.equal(params.ok, false, text);
    assert.match(params.ok ? "" : params.reason, reason);
  }
  const numeric = metadataServiceParamsOf(
    withMetadata({ "dubbo.metadata-service.url-params": '{"port":20000,"protocol":"tri"}' }),
  );
  assert.equal(numeric.ok && numeric.port, 20_000);
});

test("endpoints that make no sense are left out, the others stay", () => {
  const text =
    '[{"port":1,"protocol":"tri"},{"port":"2","protocol":"dubbo"},{"port":0,"protocol":"x"},null,7,{"protocol":"y"},{"port":3}]';
  assert.deepEqual(endpointsOf(withMetadata({ "dubbo.endpoints": text })), [
    { protocol: "tri", port: 1 },
    { protocol: "dubbo", port: 2 },
  ]);
  assert.deepEqual(endpointsOf(withMetadata({ "dubbo.endpoints": "{" })), []);
});

test("what we write has the same bytes whatever the order, and is read back", () => {
  const ports = [
    { protocol: "tri", port: 2 },
    { protocol: "dubbo", port: 3 },
    { protocol: "tri", port: 1 },
  ];
  assert.equal(formatEndpoints(ports), formatEndpoints(ports.slice().reverse()));
  assert.equal(formatEndpoints([{ protocol: "tri", port: 20000 }]), '[{"port":20000,"protocol":"tri"}]');
  assert.equal(
    formatMetadataServiceParams(50051, "dubhe"),
    '{"port":"50051","protocol":"tri","release":"dubhe","version":"1.0.0"}',
  );
});

test("seconds and milliseconds of a start time are told apart", () => {
  assert.equal(startTimeOf(withMetadata({ timestamp: "1795412877" })), 1795412877000);
  assert.equal(startTimeOf(withMetadata({ timestamp: "soon" })), undefined);
});

test("weights are whole numbers of 0..10 000", () => {
  assert.deepEqual([clampWeight(-1), clampWeight(1.4), clampWeight(1e9), clampWeight(Number.NaN)], [0, 1, 10_000, 100]);
});

test("a host or port that cannot be is refused", () => {
  for (const port of [0, -1, 65_536, 1.5, Number.NaN]) {
    assert.throws(() => createInstance({ application: "shop", host: "h", port }), RangeError);
  }
  assert.throws(() => createInstance({ application: "shop", host: "", port: 1 }), RangeError);
});

test("instances are frozen, copied from what they are made of, and compared by content", () => {
  const metadata = { a: "1" };
  const instance = createInstance({ application: "shop", host: "::1", port: 1, metadata });
  metadata.a = "2";
  assert.equal(instance.metadata.a, "1");
  assert.ok(Object.isFrozen(instance) && Object.isFrozen(instance.metadata));
  assert.equal(instanceKey(instance), "[::1]:1");
  assert.ok(sameInstance(instance, createInstance({ ...instance })));
  for (const change of [
    { weight: 1 },
    { healthy: false },
    { enabled: false },
    { metadata: { a: "2" } },
    { metadata: { a: "1", b: "" } },
  ]) {
    assert.ok(!sameInstance(instance, createInstance({ ...instance, ...change })), JSON.stringify(change));
  }
});
