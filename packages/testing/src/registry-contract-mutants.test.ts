import assert from "node:assert/strict";
import { test } from "node:test";
import { createInstance, type InstancesEvent, type Registration, type Registry } from "@dubhe/discovery";
import { MODEL_CAPABILITIES, modelHarness } from "./model-harness.js";
import type { ModelRegistryServer } from "./model-registry-server.js";
import { contractClauses } from "./registry-contract.js";
import type { RegistryCapability, RegistryHarness } from "./registry-contract-bench.js";

/*
 * The contract suite is worth what it notices: each of these backends is wrong in one way, and the clause that is about it must fail.
 */

type Change = (registry: Registry, server: ModelRegistryServer) => Partial<Registry>;

/** The registry with some of its parts replaced; the rest is its own. */
function changed(registry: Registry, parts: Partial<Registry>): Registry {
  return new Proxy(registry, {
    get(target, key) {
      if (Object.hasOwn(parts, key)) return parts[key as keyof Registry];
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

function clauses(
  create: () => Promise<RegistryHarness>,
  capabilities: readonly RegistryCapability[] = MODEL_CAPABILITIES,
): ReadonlyMap<string, () => Promise<void>> {
  return contractClauses({ capabilities, settleMs: 60_000, create });
}

function notices(what: string, title: string, change: Change): void {
  test(`the contract suite notices ${what}`, async () => {
    const clause = clauses(() =>
      modelHarness(1, 0, (registry, server) => changed(registry, change(registry, server))),
    ).get(title);
    assert.ok(clause !== undefined, `there is no clause "${title}"`);
    await assert.rejects(clause(), { name: "AssertionError" });
  });
}

function watchAs(
  make: (event: InstancesEvent, deliver: (event: InstancesEvent) => void, disposed: () => boolean) => void,
): Change {
  return (registry) => ({
    watch: (application, sink) => {
      let disposed = false;
      const handle = registry.watch(application, (event) => make(event, sink, () => disposed));
      return {
        refresh: () => handle.refresh?.(),
        [Symbol.asyncDispose]: () => {
          disposed = true;
          return handle[Symbol.asyncDispose]();
        },
      };
    },
  });
}

function registerAs(make: (registration: Registration, registry: Registry) => Partial<Registration>): Change {
  return (registry) => ({
    register: (instance) => {
      const registration = registry.register(instance);
      const parts = make(registration, registry);
      return {
        state: registration.state,
        update: (next) => registration.update(next),
        [Symbol.asyncDispose]: () => registration[Symbol.asyncDispose](),
        ...parts,
      };
    },
  });
}

const CLAIMS = "it has what it claims, and claims what it has";

for (const [what, capabilities, harness] of [
  ["a backend that claims nothing and has everything", [], {}],
  [
    "a harness that could restart its server, where the backend does not claim to survive it",
    MODEL_CAPABILITIES.filter((capability) => capability !== "restart"),
    {},
  ],
  ["a claim that the harness cannot put to the test", MODEL_CAPABILITIES, { restart: undefined }],
] as const) {
  test(`the contract suite notices ${what}`, async () => {
    const create = async (): Promise<RegistryHarness> => {
      const whole = await modelHarness(1, 0);
      for (const key of Object.keys(harness)) Reflect.deleteProperty(whole, key);
      return whole;
    };
    const clause = clauses(create, capabilities).get(CLAIMS);
    await assert.rejects(clause?.() ?? Promise.resolve(), /claimed|metadata-report/);
  });
}

test("the contract suite has no clause twice, and runs the one on claims for everybody", () => {
  assert.ok(clauses(() => modelHarness(1, 0), []).has(CLAIMS));
  const all = clauses(() => modelHarness(1, 0)).size;
  const none = clauses(() => modelHarness(1, 0), []).size;
  assert.ok(none >= 30 && all >= none + 30, `${all}, ${none} without any capability`);
});

notices("an update that withdraws first", "an update replaces in place, without a gap", (registry) => ({
  register: (instance) => {
    let registration = registry.register(instance);
    return {
      get state() {
        return registration.state;
      },
      update: (next) => {
        const old = registration;
        void old[Symbol.asyncDispose]().then(() => {
          registration = registry.register(next);
        });
      },
      [Symbol.asyncDispose]: () => registration[Symbol.asyncDispose](),
    };
  },
}));

notices(
  "a withdrawal that withdraws nothing",
  "dispose withdraws, and is idempotent",
  registerAs(() => ({ [Symbol.asyncDispose]: () => Promise.resolve() })),
);

notices(
  "a withdrawal that does not wait for the server",
  "a withdrawal that the server has not confirmed is not taken for done",
  registerAs((registration) => ({
    [Symbol.asyncDispose]: async () => void registration[Symbol.asyncDispose](),
  })),
);

notices(
  "an update that is lost",
  "several ports of one application, of which one leaves",
  registerAs(() => ({ update: () => undefined })),
);

notices("an instance without its flags", "the flags and the weight of an instance travel", (registry) => ({
  register: (instance) => registry.register(createInstance({ ...instance, enabled: true })),
}));

notices(
  "a sink that is called inside watch",
  "a watch delivers a first event always, and never inside watch",
  (registry) => ({
    watch: (application, sink) => {
      sink({ kind: "instances", epoch: 0, seq: 0, instances: [], malformed: [] });
      return registry.watch(application, sink);
    },
  }),
);

notices("a watch that outlives its dispose", "nothing comes after the watch is disposed", (registry) => ({
  watch: (application, sink) => {
    const handle = registry.watch(application, sink);
    return { refresh: () => handle.refresh?.(), [Symbol.asyncDispose]: () => Promise.resolve() };
  },
}));

notices(
  "an error told as an empty list",
  "a restart of the server is an error to watchers, never an empty list",
  watchAs((event, deliver) => {
    if (event.kind === "instances") return deliver(event);
    deliver({ kind: "instances", epoch: event.epoch - 1, seq: 1_000_000, instances: [], malformed: [] });
  }),
);

notices(
  "generations that go back",
  "events are full lists whose generation does not go back",
  watchAs((event, deliver) =>
    deliver(event.kind === "error" ? event : { ...event, seq: 1_000 - event.instances.length }),
  ),
);

notices(
  "one unreadable entry that hides the others",
  "one unreadable entry hides no other (D-25)",
  watchAs((event, deliver) =>
    deliver(event.kind === "instances" && event.malformed.length > 0 ? { ...event, instances: [] } : event),
  ),
);

notices(
  "a silent server that nobody tells of",
  "a silent server is an error, not an empty list; when it answers again, all is as wanted",
  watchAs((event, deliver) => {
    if (event.kind !== "error") deliver(event);
  }),
);

notices(
  "a mapping written without a comparison",
  "many who add to one mapping at once are all in it (D-12, D-13)",
  (registry, server) => ({
    mapping: {
      watch: (serviceInterface, sink) => registry.mapping.watch(serviceInterface, sink),
      add: (serviceInterface, application) => {
        const read = server.store.mapping(serviceInterface);
        const entry = registry.mapping.add(`${serviceInterface}.other`, application);
        void entry.state
          .until((state) => state === "confirmed")
          .then(() => {
            const value = read.value === undefined ? application : `${read.value},${application}`;
            server.store.setMapping(serviceInterface, value, server.store.mapping(serviceInterface));
          });
        return entry;
      },
    },
  }),
);

notices(
  "a mapping entry that its dispose removes",
  "disposing a mapping entry leaves the mapping",
  (registry, server) => ({
    mapping: {
      watch: (serviceInterface, sink) => registry.mapping.watch(serviceInterface, sink),
      add: (serviceInterface, application) => {
        const entry = registry.mapping.add(serviceInterface, application);
        return {
          state: entry.state,
          [Symbol.asyncDispose]: async () => {
            await entry[Symbol.asyncDispose]();
            server.store.setMapping(serviceInterface, "", server.store.mapping(serviceInterface));
          },
        };
      },
    },
  }),
);

notices(
  "a close that leaves its session behind",
  "nothing is left behind at the server after close, nor of what was disposed before",
  () => ({
    close: () => Promise.resolve(),
  }),
);

notices(
  "a watch of an odd name that never answers",
  "a name that no application can have, found in a mapping, is watched in vain and harms nobody",
  (registry) => ({
    watch: (application, sink) =>
      /^[\w-]+$/.test(application)
        ? registry.watch(application, sink)
        : { [Symbol.asyncDispose]: () => Promise.resolve() },
  }),
);

/** The metadata report with some of its parts replaced. */
function reportAs(
  make: (report: NonNullable<Registry["metadata"]>) => Partial<NonNullable<Registry["metadata"]>>,
): Change {
  return ({ metadata }) => (metadata === undefined ? {} : { metadata: { ...metadata, ...make(metadata) } });
}

notices(
  "metadata whose renewal is not written",
  "metadata that is published again with a later time is written, with an earlier one it is not",
  reportAs(({ publish }) => {
    const first = new Map<string, Parameters<typeof publish>[0]>();
    return {
      publish: (info) => {
        if (!first.has(info.revision)) first.set(info.revision, info);
        return publish(first.get(info.revision) ?? info);
      },
    };
  }),
);

notices(
  "a removal of metadata that removes nothing",
  "what is kept of an application is listed, and removed one by one",
  reportAs(() => ({ remove: () => Promise.resolve() })),
);

notices(
  "an update of a provider that is lost",
  "an update of a provider replaces in place, without a gap",
  ({ interfaces }) => ({
    ...(interfaces !== undefined && {
      interfaces: {
        watch: (ref, sink) => interfaces.watch(ref, sink),
        register: (provider) => Object.assign(interfaces.register(provider), { update: () => undefined }),
      },
    }),
  }),
);

notices("a provider that stays when its client closes", "close withdraws providers too", (registry, server) => {
  const { interfaces } = registry;
  if (interfaces === undefined) return {};
  const providers: Parameters<typeof interfaces.register>[0][] = [];
  return {
    interfaces: {
      watch: (ref, sink) => interfaces.watch(ref, sink),
      register: (provider) => {
        providers.push(provider);
        return interfaces.register(provider);
      },
    },
    close: async () => {
      await registry.close();
      for (const provider of providers) server.putProvider(provider);
    },
  };
});

notices(
  "a removal in the configuration centre that nobody is told of",
  "an entry of the configuration centre is followed: absent, written, changed, removed (D-31)",
  ({ configuration }) => ({
    ...(configuration !== undefined && {
      configuration: {
        watch: (group, key, sink) => {
          let written = false;
          return configuration.watch(group, key, (event) => {
            if (event.kind === "configuration" && event.value !== undefined) written = true;
            if (!written || event.kind !== "configuration" || event.value !== undefined) sink(event);
          });
        },
      },
    }),
  }),
);

notices(
  "a broken connection that is told as an empty list",
  "a broken connection loses neither session nor registration",
  watchAs((event, deliver) =>
    deliver(
      event.kind === "instances"
        ? event
        : { kind: "instances", epoch: event.epoch, seq: 0, instances: [], malformed: [] },
    ),
  ),
);
