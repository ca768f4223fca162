import assert from "node:assert/strict";
import { test } from "node:test";
import { createInstance } from "./instance.js";
import { createMetadataInfo, createServiceInfo, type ServiceInfo } from "./metadata-info.js";
import type { ServiceRef } from "./name-state.js";
import { findService, matches, portOf, servicesNamed } from "./service-match.js";

function ref(init: Partial<ServiceRef>): ServiceRef {
  return { service: "a.A", group: "", version: "", protocol: "tri", ...init };
}

test("interface, group, version and protocol must fit; wildcards are the consumer's", () => {
  const table: readonly (readonly [Parameters<typeof createServiceInfo>[0], Partial<ServiceRef>, boolean])[] = [
    [{ name: "a.A" }, {}, true],
    [{ name: "a.A" }, { service: "a.AB" }, false],
    [{ name: "a.A", group: "g" }, {}, false],
    [{ name: "a.A", group: "g" }, { group: "g" }, true],
    [{ name: "a.A", group: "g" }, { group: "*" }, true],
    [{ name: "a.A" }, { group: "*" }, true],
    [{ name: "a.A", group: "g" }, { group: "f,g" }, true],
    [{ name: "a.A", group: "h" }, { group: "f,g" }, false],
    [{ name: "a.A", group: "f,g" }, { group: "f,g" }, true],
    [{ name: "a.A" }, { group: "f,g" }, false],
    [{ name: "a.A" }, { group: "f," }, true],
    [{ name: "a.A", group: "*" }, { group: "g" }, false],
    [{ name: "a.A", version: "1" }, {}, false],
    [{ name: "a.A", version: "1" }, { version: "1" }, true],
    [{ name: "a.A", version: "1" }, { version: "*" }, true],
    [{ name: "a.A", version: "0.0.0" }, {}, true],
    [{ name: "a.A" }, { version: "0.0.0" }, true],
    [{ name: "a.A", protocol: "dubbo" }, {}, false],
    [{ name: "a.A", protocol: "dubbo" }, { protocol: "" }, true],
  ];
  for (const [service, wanted, expected] of table) {
    assert.equal(matches(createServiceInfo(service), ref(wanted)), expected, JSON.stringify([service, wanted]));
  }
});

test("with an open protocol tri goes first, and a copy for an extra protocol last", () => {
  const info = createMetadataInfo({
    app: "shop",
    services: [
      { name: "a.A", protocol: "dubbo", port: 1 },
      { name: "a.A", protocol: "tri", port: 2 },
      { name: "b.B", group: "g", protocol: "dubbo", params: { isExtra: "true" } },
      { name: "b.B", group: "h", protocol: "dubbo" },
    ],
  });
  assert.equal(findService(info, ref({ protocol: "" }))?.port, 2);
  assert.equal(findService(info, ref({ service: "b.B", group: "*", protocol: "" }))?.group, "h");
  assert.equal(findService(info, ref({ service: "c.C" })), undefined);
  assert.equal(servicesNamed(info, "a.A").length, 2);
});

test("the port is the service's, else that of the instance's endpoint of the protocol, else the instance's", () => {
  const endpoints = '[{"port":7,"protocol":"dubbo"},{"port":8,"protocol":"tri"}]';
  const instance = createInstance({
    application: "shop",
    host: "h",
    port: 9,
    metadata: { "dubbo.endpoints": endpoints },
  });
  assert.equal(portOf(instance, createServiceInfo({ name: "a", port: 6 })), 6);
  assert.equal(portOf(instance, createServiceInfo({ name: "a" })), 8);
  assert.equal(portOf(instance, createServiceInfo({ name: "a", protocol: "rest" })), 9);
});

test("metadata with one port for a protocol may be another instance's: dubbo-go 3.3.0's revision leaves ports out", () => {
  const instance = createInstance({
    application: "shop",
    host: "h",
    port: 8,
    metadata: { "dubbo.endpoints": '[{"port":8,"protocol":"tri"}]' },
  });
  const read = (...ports: number[]): ServiceInfo => {
    const services = ports.map((port, i) => createServiceInfo({ name: `a.A${i}`, port }));
    const found = findService(createMetadataInfo({ app: "shop", services }), ref({ service: "a.A0", protocol: "tri" }));
    assert.ok(found !== undefined);
    return found;
  };
  assert.equal(portOf(instance, read(6, 6)), 8);
  assert.equal(portOf(instance, read(6, 7)), 6, "an application with several ports");
  assert.equal(portOf(createInstance({ ...instance, metadata: {} }), read(6, 6)), 6, "nothing else is known");
});
