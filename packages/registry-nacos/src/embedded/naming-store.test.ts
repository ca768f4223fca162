import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { HostInstance } from "./instance-body.js";
import { NamingStore, type ServiceName } from "./naming-store.js";

const service = (name: string, namespace = "public", group = "g"): ServiceName => ({ namespace, group, name });
const instance = (port: number, more: Partial<HostInstance> = {}): HostInstance => ({
  instanceId: `id${port}`,
  ip: "10.0.0.1",
  port,
  weight: 1,
  healthy: true,
  enabled: true,
  ephemeral: true,
  clusterName: "DEFAULT",
  metadata: {},
  ...more,
});
const ports = (store: NamingStore, name: ServiceName): number[] =>
  store
    .view(name, 0)
    .hosts.map(({ port }) => port)
    .sort((a, b) => a - b);
const publish = (
  store: NamingStore,
  owner: string,
  name: ServiceName,
  instances: readonly HostInstance[],
  now = 1,
  confirmed = true,
) => store.publish({ service: name, owner, pid: 0, confirmed, instances }, now);

test("a publication replaces the owner's earlier one, and no one else's", () => {
  const store = new NamingStore();
  publish(store, "a", service("s"), [instance(1), instance(2)]);
  publish(store, "b", service("s"), [instance(3)]);
  publish(store, "a", service("s"), [instance(2)]);
  assert.deepEqual(ports(store, service("s")), [2, 3]);
  publish(store, "a", service("s"), []);
  assert.deepEqual(ports(store, service("s")), [3]);
});

test("namespaces and groups are worlds of their own", () => {
  const store = new NamingStore();
  publish(store, "a", service("s"), [instance(1)]);
  publish(store, "a", service("s", "dev"), [instance(2)]);
  publish(store, "a", service("s", "public", "h"), [instance(3)]);
  assert.deepEqual(ports(store, service("s")), [1]);
  assert.deepEqual(ports(store, service("s", "dev")), [2]);
  assert.deepEqual(ports(store, service("s", "public", "h")), [3]);
  assert.deepEqual(store.list("public", "g", 1, 10), { count: 1, names: ["s"] });
});

test("only what subscribers can see is a change", () => {
  const store = new NamingStore();
  assert.equal(publish(store, "a", service("s"), [instance(1), instance(2)]).services.length, 1);
  assert.equal(
    publish(store, "a", service("s"), [instance(2), instance(1)]).services.length,
    0,
    "the same in another order",
  );
  assert.equal(
    publish(store, "a", service("s"), [instance(1), instance(2), instance(3, { enabled: false })]).services.length,
    0,
    "a disabled one",
  );
  assert.equal(
    publish(store, "a", service("s"), [instance(1), instance(2, { metadata: { a: "b" } })]).services.length,
    1,
  );
});

test("lastRefTime grows with every change, even when the clock does not", () => {
  const store = new NamingStore();
  const seen: number[] = [];
  for (const port of [1, 2, 3]) {
    publish(store, "a", service("s"), [instance(port)], 100);
    seen.push(store.view(service("s"), 0).lastRefTime);
  }
  assert.deepEqual(seen, [101, 102, 103]);
});

test("a service without users is forgotten after a minute, and not before", () => {
  const store = new NamingStore();
  publish(store, "a", service("s"), [instance(1)], 0);
  store.subscribe("c", service("s"), "", 0);
  store.dropOwner("a", 1_000);
  store.sweep(100_000);
  assert.equal(store.serviceCount, 1, "it is subscribed");
  store.unsubscribe("c", service("s"), 100_000);
  store.sweep(159_999);
  assert.equal(store.serviceCount, 1);
  store.sweep(160_000);
  assert.equal(store.serviceCount, 0);
});

test("taken over instances are served until they are confirmed, or dropped", () => {
  const store = new NamingStore();
  publish(store, "old-a", service("s"), [instance(1), instance(2)], 1, false);
  publish(store, "old-b", service("s"), [instance(3)], 1, false);
  assert.deepEqual(ports(store, service("s")), [1, 2, 3]);
  const again = publish(store, "a", service("s"), [instance(1)]);
  assert.deepEqual(again.services, [], "it came back as it was: nobody needs to hear");
  assert.deepEqual(
    again.publications.map(({ owner, instances }) => [owner, instances.map(({ port }) => port)]),
    [
      ["a", [1]],
      ["old-a", [2]],
    ],
    "mirrors hear that the old publication lost it",
  );
  assert.equal(
    publish(store, "b", service("s"), [instance(3, { metadata: { new: "yes" } })]).services.length,
    1,
    "it came back changed",
  );
  assert.deepEqual(ports(store, service("s")), [1, 2, 3]);
  const dropped = store.dropUnconfirmed(9);
  assert.deepEqual(dropped.services, [service("s")]);
  assert.deepEqual(ports(store, service("s")), [1, 3]);
  assert.equal(store.unconfirmedCount, 0);
});

test("what is taken over late does not stand beside what was confirmed already", () => {
  const store = new NamingStore();
  publish(store, "a", service("s"), [instance(1)]);
  assert.deepEqual(publish(store, "old", service("s"), [instance(1)], 1, false), { services: [], publications: [] });
  publish(store, "old", service("s"), [instance(1), instance(2)], 1, false);
  assert.deepEqual(ports(store, service("s")), [1, 2]);
  assert.deepEqual(
    publish(store, "a", service("s"), [instance(9)], 1, false).publications,
    [],
    "the owner is there himself",
  );
});

interface Model {
  readonly publications: Map<string, { owner: string; name: string; ports: number[] }>;
}

type Command = (model: Model, store: NamingStore) => void;

const owners = fc.constantFrom("a", "b", "c");
const names = fc.constantFrom("s", "t");
const commands: fc.Arbitrary<Command> = fc.oneof(
  fc.tuple(owners, names, fc.uniqueArray(fc.integer({ min: 1, max: 4 }), { maxLength: 3 })).map(
    ([owner, name, list]): Command =>
      (model, store) => {
        const before = modelPorts(model, name);
        if (list.length === 0) model.publications.delete(owner + name);
        else model.publications.set(owner + name, { owner, name, ports: list });
        const changed = publish(
          store,
          owner,
          service(name),
          list.map((port) => instance(port)),
          1,
        );
        if (before.join() !== modelPorts(model, name).join())
          assert.equal(changed.services.length, 1, "a change is told");
      },
  ),
  owners.map(
    (owner): Command =>
      (model, store) => {
        for (const [key, publication] of model.publications)
          if (publication.owner === owner) model.publications.delete(key);
        store.dropOwner(owner, 1);
      },
  ),
  fc.tuple(owners, names).map(
    ([client, name]): Command =>
      (_model, store) =>
        void store.subscribe(client, service(name), "", 1),
  ),
  owners.map(
    (client): Command =>
      (_model, store) =>
        store.dropSubscriber(client, 1),
  ),
  fc.constant<Command>((_model, store) => store.sweep(2)),
);

function modelPorts(model: Model, name: string): number[] {
  const published = [...model.publications.values()].flatMap((publication) =>
    publication.name === name ? publication.ports : [],
  );
  return [...new Set(published)].sort((a, b) => a - b);
}

test("any sequence of publications and losses agrees with the model", () => {
  fc.assert(
    fc.property(fc.array(commands, { maxLength: 40 }), (sequence) => {
      const model: Model = { publications: new Map() };
      const store = new NamingStore();
      for (const command of sequence) {
        command(model, store);
        for (const name of ["s", "t"]) assert.deepEqual(ports(store, service(name)), modelPorts(model, name));
        assert.equal([...store.publications()].length, model.publications.size);
        for (const owner of ["a", "b", "c"]) {
          assert.equal(
            [...store.publicationsOf(owner)].length,
            [...model.publications.values()].filter((p) => p.owner === owner).length,
          );
        }
      }
    }),
    { seed: 1, numRuns: 300 },
  );
});
