import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  contains,
  descend,
  type Lineage,
  Mirror,
  type MirrorEntry,
  NO_LINEAGE,
  readLineage,
  readMirrorEntries,
} from "./mirror.js";
import { parts, readMirrorPush } from "./mirror-messages.js";

const hosts = fc.constantFrom("h1", "h2", "h3");
const lineages: fc.Arbitrary<Lineage> = fc.record({
  host: hosts,
  seq: fc.nat(5),
  ancestors: fc.dictionary(hosts, fc.nat(5), { maxKeys: 2, noNullPrototype: true }),
});

const publication = (owner: string, pid: number, ports: readonly number[]): MirrorEntry => ({
  kind: "publication",
  service: { namespace: "public", group: "g", name: "s" },
  owner,
  pid,
  instances: ports.map((port) => ({
    instanceId: `id${port}`,
    ip: "h",
    port,
    weight: 1,
    healthy: true,
    enabled: true,
    ephemeral: true,
    clusterName: "DEFAULT",
    metadata: {},
  })),
});
const config = (dataId: string, content: string | null): MirrorEntry => ({
  kind: "config",
  tenant: "",
  group: "g",
  dataId,
  content,
  contentType: "text",
  lastModified: 1,
});

test("a copy is contained in its host from then on, and in hosts that descend from it", () => {
  const copy: Lineage = { host: "h1", seq: 3, ancestors: {} };
  assert.equal(contains({ host: "h1", seq: 3, ancestors: {} }, copy), true);
  assert.equal(contains({ host: "h1", seq: 2, ancestors: {} }, copy), false);
  assert.equal(contains({ host: "h2", seq: 9, ancestors: {} }, copy), false);
  assert.equal(contains({ host: "h2", seq: 0, ancestors: { h1: 3 } }, copy), true);
  assert.equal(contains({ host: "h2", seq: 0, ancestors: { h1: 2 } }, copy), false);
  assert.equal(contains({ host: "h2", seq: 0, ancestors: {} }, NO_LINEAGE), true);
});

test("who descends from a copy contains it, and loses nothing that it contained", () => {
  fc.assert(
    fc.property(lineages, lineages, lineages, (holder, copy, other) => {
      const next = descend(holder, copy);
      // A host's own later state cannot be in it yet.
      if (copy.host !== holder.host) assert.ok(contains(next, copy));
      if (contains(holder, other)) assert.ok(contains(next, other));
      assert.deepEqual(descend(next, copy), copy.host === holder.host ? descend(holder, copy) : next);
    }),
    { seed: 1, numRuns: 300 },
  );
});

test("a mirror follows changes, and its seed leaves the dead out", () => {
  const mirror = new Mirror();
  mirror.reset({ host: "h1", seq: 1, ancestors: {} });
  mirror.apply([publication("a", 7, [1]), publication("b", 8, [2]), config("d", "v")], 1);
  mirror.apply([publication("b", 8, []), config("e", null)], 2);
  mirror.apply([publication("c", 7, [3]), publication("x", 0, [4])], 3);
  assert.equal(mirror.lineage.seq, 3);
  const seed = mirror.seed((pid) => pid === 7);
  assert.deepEqual(seed.entries.map((entry) => (entry.kind === "config" ? entry.dataId : entry.owner)).sort(), [
    "d",
    "e",
    "x",
  ]);
});

test("entries and pushes are read leniently", () => {
  const entries = [publication("a", 7, [1]), config("d", null), config("e", "v")];
  assert.deepEqual(readMirrorEntries(JSON.parse(JSON.stringify(entries))), entries);
  assert.deepEqual(readMirrorEntries([{ kind: "of the future" }, 5, null]), []);
  assert.deepEqual(readLineage(undefined), { host: "", seq: 0, ancestors: {} });
  assert.equal(readMirrorPush({}).reset, undefined);
});

test("parts are never none", () => {
  assert.deepEqual(parts([]), [[]]);
  assert.deepEqual(
    parts(Array.from({ length: 401 }, (_, n) => n)).map((part) => part.length),
    [200, 200, 1],
  );
});
