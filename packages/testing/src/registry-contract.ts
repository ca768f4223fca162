import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type ContractSuite,
  RegistryBench,
  type RegistryCapability,
  type RegistryContractOptions,
  type RegistryHarness,
} from "./registry-contract-bench.js";
import { registerCloseTests } from "./registry-contract-close.js";
import { registerConfigurationTests } from "./registry-contract-configuration.js";
import { registerInstanceTests } from "./registry-contract-instances.js";
import { registerInterfaceTests } from "./registry-contract-interfaces.js";
import { registerLossTests } from "./registry-contract-loss.js";
import { registerMappingTests } from "./registry-contract-mapping.js";
import { registerMetadataTests } from "./registry-contract-metadata.js";
import { registerWatchTests } from "./registry-contract-watches.js";

/** What the harness must be able to do for a capability. */
const NEEDED: Readonly<Partial<Record<RegistryCapability, readonly (keyof RegistryHarness)[]>>> = {
  restart: ["restart"],
  "drop-session": ["dropSession"],
  "drop-connection": ["dropConnection"],
  "expire-session": ["expireSession"],
  freeze: ["freeze", "thaw"],
  slow: ["slow"],
  "wipe-mapping": ["wipeMapping"],
  garbage: ["putGarbage"],
  configuration: ["configure"],
  leftovers: ["leftovers"],
};

/**
 * Registers the tests that every `Registry` must pass, named `NAME: …`. They use fresh names for applications and interfaces, so
 * that they can run against a server that others use.
 */
export function registryContract(name: string, options: RegistryContractOptions): void {
  for (const [title, run] of contractClauses(options)) test(`${name}: ${title}`, run);
}

/** The clauses for these capabilities, by title. Each can be run by itself. */
export function contractClauses(options: RegistryContractOptions): ReadonlyMap<string, () => Promise<void>> {
  const can = new Set(options.capabilities);
  const clauses = new Map<string, () => Promise<void>>();
  const contract: ContractSuite["contract"] = (title, fn) => {
    assert.ok(!clauses.has(title), `two clauses are called "${title}"`);
    clauses.set(title, async () => {
      const bench = new RegistryBench(await options.create(), options);
      try {
        await fn(bench);
      } finally {
        await bench.close();
      }
    });
  };

  contract("it has what it claims, and claims what it has", async (bench) => {
    for (const [capability, methods] of Object.entries(NEEDED)) {
      const claimed = can.has(capability as RegistryCapability);
      for (const method of methods) {
        const there = typeof bench.harness[method] === "function";
        assert.ok(there || !claimed, `${capability} is claimed without ${method}`);
        assert.ok(claimed || !there, `${method} is there, and ${capability} is not claimed: its tests would not run`);
      }
    }
    const { metadata, interfaces, configuration, names } = await bench.open();
    assert.equal(metadata !== undefined, can.has("metadata-report"), "metadata-report");
    assert.equal(metadata?.revisions !== undefined, can.has("metadata-list"), "metadata-list");
    assert.equal(metadata?.remove !== undefined, can.has("metadata-list"), "metadata-list");
    assert.equal(interfaces !== undefined, can.has("interfaces"), "interfaces");
    assert.equal(configuration !== undefined, can.has("configuration"), "configuration");
    assert.equal(names !== undefined, can.has("names"), "names");
  });

  const suite: ContractSuite = { contract, can, options };
  registerInstanceTests(suite);
  registerWatchTests(suite);
  registerMappingTests(suite);
  registerMetadataTests(suite);
  registerInterfaceTests(suite);
  registerConfigurationTests(suite);
  registerLossTests(suite);
  registerCloseTests(suite);
  return clauses;
}
