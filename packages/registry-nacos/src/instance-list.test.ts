import assert from "node:assert/strict";
import { test } from "node:test";
import { createInstance, sameInstance } from "@dubhe/discovery";
import fc from "fast-check";
import { instanceToWire } from "./instance-codec.js";
import type { InstanceList } from "./instance-list.js";
import { isObject } from "./json.js";
import { NacosProtocolError } from "./payload.js";
import { listCounters, readServiceInfo, readText } from "./test-support/list-text.js";

/** JSON text of a value in odd but legal clothes: white space anywhere, escapes in strings and names, members in any order. */
function oddly(value: unknown, next: () => number): string {
  const space = (): string => ["", "", "", " ", "\n", "\t\r "][next() % 6] as string;
  const around = (text: string): string => space() + text + space();
  const string = (text: string): string =>
    `"${[...text]
      .map((c) => {
        const plain = JSON.stringify(c).slice(1, -1);
        return next() % 8 === 0 && c.length === 1 ? `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}` : plain;
      })
      .join("")}"`;
  if (typeof value === "string") return around(string(value));
  if (Array.isArray(value)) return around(`[${value.map((item) => oddly(item, next)).join(",") || space()}]`);
  if (!isObject(value)) return around(JSON.stringify(value));
  const members = Object.entries(value);
  for (let i = members.length - 1; i > 0; i--) {
    const j = next() % (i + 1);
    [members[i], members[j]] = [members[j] as [string, unknown], members[i] as [string, unknown]];
  }
  const text = members.map(([name, item]) => `${around(string(name))}:${oddly(item, next)}`);
  return around(`{${text.join(",") || space()}}`);
}

const text = fc.string({ unit: "grapheme", maxLength: 8 });
const host = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record(
      {
        ip: fc.constantFrom("10.0.0.1", "10.0.0.2", "fe80::1", "ünï"),
        port: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constantFrom("7", "none", 0, null)),
        weight: fc.double({ min: 0, max: 200, noNaN: true }),
        healthy: fc.boolean(),
        enabled: fc.boolean(),
        metadata: fc.dictionary(text, fc.oneof(text, fc.jsonValue({ maxDepth: 2 })), { maxKeys: 3 }),
        instanceId: text,
      },
      { requiredKeys: ["ip", "port"] },
    ),
  },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) },
);
const message = fc.record({
  requestId: text,
  headers: fc.dictionary(text, text, { maxKeys: 2 }),
  serviceInfo: fc.record(
    {
      name: text,
      groupName: text,
      hosts: fc.array(host, { maxLength: 40 }),
      lastRefTime: fc.nat(),
      checksum: text,
      valid: fc.boolean(),
      "hosts\\": fc.jsonValue({ maxDepth: 1 }),
    },
    { requiredKeys: ["hosts"] },
  ),
  success: fc.boolean(),
});

/** The same by parsing the whole: an array that is not called `hosts` in plain letters cannot be found. */
function wholly(parsed: unknown): InstanceList {
  const { hosts } = (parsed as { serviceInfo: { hosts: unknown[] } }).serviceInfo;
  const counters = listCounters();
  const json = JSON.stringify(hosts);
  const list = readText(`{"serviceInfo":{"h\\u006fsts":${json}}}`, undefined, counters);
  assert.equal(counters.whole, 1);
  assert.ok(list !== undefined);
  return list;
}

const plain = ({ instances, malformed }: InstanceList): unknown => ({ instances, malformed });

test("slices of a message say what JSON.parse says, in whatever clothes it comes", () => {
  fc.assert(
    fc.property(message, fc.infiniteStream(fc.nat()), (value, stream) => {
      const json = oddly(value, () => stream.next().value as number);
      const parsed = JSON.parse(json) as typeof value;
      let opened: unknown;
      const list = readText(json, undefined, undefined, (rest) => (opened = rest));
      assert.ok(list !== undefined);
      assert.deepEqual(plain(list), plain(wholly(parsed)));
      const { hosts: _, ...info } = (opened as typeof parsed).serviceInfo;
      const { hosts: __, ...expected } = parsed.serviceInfo;
      assert.deepEqual({ ...(opened as object), serviceInfo: info }, { ...parsed, serviceInfo: expected });
    }),
    { seed: 1, numRuns: 400 },
  );
});

test("with a list held, the next is read as if there were none", () => {
  fc.assert(
    fc.property(message, message, fc.nat(), fc.nat(), (first, second, from, count) => {
      const held = readText(JSON.stringify(first));
      const hosts = second.serviceInfo.hosts.slice();
      // Some hosts of the first list among those of the second.
      hosts.splice(from % (hosts.length + 1), 0, ...first.serviceInfo.hosts.slice(0, count % 20));
      const next = { ...second, serviceInfo: { ...second.serviceInfo, name: "shop", hosts } };
      const json = JSON.stringify(next);
      const sorted = (list: InstanceList): unknown => [
        list.instances.map((instance) => JSON.stringify([instance, Object.entries(instance.metadata).sort()])).sort(),
        list.malformed.map(({ reason }) => reason).sort(),
      ];
      assert.deepEqual(sorted(readText(json, held) as InstanceList), sorted(readText(json) as InstanceList));
    }),
    { seed: 1, numRuns: 300 },
  );
});

test("text that is no JSON is refused, wherever it breaks", () => {
  const good = JSON.stringify({
    requestId: "1",
    serviceInfo: {
      name: "shop",
      hosts: [
        { ip: 'a\\"b', port: 1, metadata: { "ü}": "]" } },
        { ip: "b", port: 2 },
      ],
      lastRefTime: 5,
    },
  });
  const held = readText(good);
  const bytes = new TextEncoder().encode(good);
  const refusedByParse = (raw: Uint8Array): boolean => {
    try {
      return !isObject(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(raw)));
    } catch {
      return true;
    }
  };
  let refused = 0;
  for (let at = 0; at < bytes.length; at++) {
    for (const byte of [undefined, 0x22, 0x5c, 0x2c, 0x5d, 0x7d, 0x7b, 0x20, 0xef, 0x30]) {
      const broken = byte === undefined ? bytes.slice(0, at) : bytes.slice().fill(byte, at, at + 1);
      for (const before of [undefined, held]) {
        if (!refusedByParse(broken)) readText(broken, before);
        else {
          refused++;
          assert.throws(() => readText(broken, before), NacosProtocolError, new TextDecoder().decode(broken));
        }
      }
    }
  }
  assert.ok(refused > 1_000, `${refused} refused`);
});

test("names that are doubled: the last one counts, as for JSON.parse", () => {
  const ports = (json: string): unknown => readText(json)?.instances.map(({ port }) => port);
  const at = (port: number): string => `[{"ip":"a","port":${port}}]`;
  assert.deepEqual(ports(`{"serviceInfo":{"hosts":${at(1)},"hosts":${at(2)}}}`), [2]);
  assert.deepEqual(ports(`{"serviceInfo":{"hosts":${at(1)},"h\\u006fsts":${at(2)}}}`), [2]);
  assert.deepEqual(ports(`{"serviceInfo":{"h\\u006fsts":${at(1)},"hosts":${at(2)}}}`), [2]);
  assert.deepEqual(ports(`{"serviceInfo":{"hosts":${at(1)}},"serviceInfo":{"hosts":${at(2)}}}`), [2]);
  assert.deepEqual(ports(`{"serviceInfo":7,"serviceInfo":{"hosts":{},"hosts":${at(3)}}}`), [3]);
  assert.equal(ports(`{"serviceInfo":{"hosts":${at(1)}},"serviceInfo":{}}`), undefined);
});

const instances = (count: number, weight = 100): object[] =>
  Array.from({ length: count }, (_, n) =>
    instanceToWire(
      createInstance({
        application: "shop",
        host: `10.0.${n >> 8}.${n & 255}`,
        port: 20_880,
        weight: n === 7 ? weight : 100,
        metadata: { n: `${n}` },
      }),
    ),
  );
const info = (hosts: object[], lastRefTime: number): object => ({ name: "shop", hosts, lastRefTime, checksum: "" });

test("an identical list is not even cut into hosts; a changed one costs what changed", () => {
  const counters = listCounters();
  const first = readServiceInfo(info(instances(500), 1), undefined, counters);
  assert.deepEqual(counters, { parsed: 500, reused: 0, whole: 0 });
  const again = readServiceInfo(info(instances(500), 2), first, counters);
  assert.equal(again, first);
  assert.deepEqual(counters, { parsed: 500, reused: 0, whole: 0 });
  const changed = readServiceInfo(info(instances(500, 50), 3), first, counters);
  assert.deepEqual(counters, { parsed: 501, reused: 499, whole: 0 });
  assert.notEqual(changed.instances, first.instances);
  const same = changed.instances.filter((instance, n) => instance === first.instances[n]);
  assert.equal(same.length, 499, "what did not change is the same object");
});

test("hosts in another order, and hosts that say the same in other words, are the same list", () => {
  const first = readServiceInfo(info(instances(50), 1));
  const reversed = readServiceInfo(info(instances(50).reverse(), 2), first);
  assert.equal(reversed.instances, first.instances);
  const hosts = instances(50).map((one) => ({ unknown: true, ...one }));
  const other = readServiceInfo(info(hosts, 3), reversed);
  assert.equal(other.instances, first.instances);
  const without = readServiceInfo(info(instances(49), 4), other);
  assert.equal(without.instances.length, 49);
});

test("what is held is no part of a small message's memory", () => {
  const raw = new TextEncoder().encode(`${" ".repeat(1_000)}${JSON.stringify({ serviceInfo: info(instances(3), 1) })}`);
  const list = readText(raw);
  assert.ok(list?.bytes !== undefined && list.bytes.buffer !== raw.buffer);
});

test("instances come through as they were sent", () => {
  const [wire] = instances(1);
  const read = readServiceInfo({ hosts: [wire] }).instances[0];
  const sent = createInstance({ application: "shop", host: "10.0.0.0", port: 20_880, metadata: { n: "0" } });
  assert.ok(read !== undefined && sameInstance(read, sent));
});
