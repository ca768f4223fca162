import assert from "node:assert/strict";
import type { NetworkInterfaceInfo } from "node:os";
import { test } from "node:test";
import { advertisedAddress, parseHostPort } from "./advertised-address.js";

const v4 = (address: string, internal: boolean): NetworkInterfaceInfo => ({
  address,
  internal,
  family: "IPv4",
  netmask: "255.0.0.0",
  mac: "00:00:00:00:00:00",
  cidr: null,
});
const base = {
  boundHost: "0.0.0.0",
  boundPort: 50051,
  loopback: false,
  env: {},
  interfaces: { lo: [v4("127.0.0.1", true)], eth0: [v4("10.1.2.3", false)] },
};

test("the first IPv4 address that is not internal is advertised for a wildcard bind", () => {
  assert.deepEqual(advertisedAddress(base), { host: "10.1.2.3", port: 50051 });
});

test("a bound address is advertised as it is", () => {
  assert.deepEqual(advertisedAddress({ ...base, boundHost: "10.9.9.9" }), { host: "10.9.9.9", port: 50051 });
});

test("Dubbo's environment variables go before the bound address", () => {
  const env = { DUBBO_IP_TO_REGISTRY: "192.0.2.7", DUBBO_PORT_TO_REGISTRY: "30000" };
  assert.deepEqual(advertisedAddress({ ...base, boundHost: "10.9.9.9", env }), { host: "192.0.2.7", port: 30000 });
});

test("the option goes before everything", () => {
  const env = { DUBBO_IP_TO_REGISTRY: "192.0.2.7", DUBBO_PORT_TO_REGISTRY: "30000" };
  assert.deepEqual(advertisedAddress({ ...base, env, advertise: "gw.example:81" }), { host: "gw.example", port: 81 });
  assert.deepEqual(advertisedAddress({ ...base, advertise: "[2001:db8::1]:81" }), { host: "2001:db8::1", port: 81 });
});

test("with the embedded registry it is loopback, unless the server is bound to another address", () => {
  assert.deepEqual(advertisedAddress({ ...base, loopback: true }), { host: "127.0.0.1", port: 50051 });
  assert.deepEqual(advertisedAddress({ ...base, loopback: true, boundHost: "10.9.9.9" }), {
    host: "10.9.9.9",
    port: 50051,
  });
  assert.deepEqual(advertisedAddress({ ...base, loopback: true, boundHost: "::1" }), { host: "::1", port: 50051 });
});

test("an option that names the port alone leaves the host to the others", () => {
  assert.deepEqual(advertisedAddress({ ...base, boundHost: "10.9.9.9", advertise: ":81" }), {
    host: "10.9.9.9",
    port: 81,
  });
});

test("without any interface it is loopback", () => {
  assert.deepEqual(advertisedAddress({ ...base, interfaces: {} }), { host: "127.0.0.1", port: 50051 });
});

for (const text of ["", "a:b", "http://x", "1.2.3.4:70000", "[::1", "a b"]) {
  test(`"${text}" is no address`, () => {
    assert.throws(() => parseHostPort(text, "listen"), { name: "TypeError", message: /^listen/ });
  });
}
