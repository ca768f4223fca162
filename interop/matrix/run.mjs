// The matrix: starts the registries, runs the configurations of each beside those of the others, and reports.
import { StepFailed, Trial } from "../lib/trial.mjs";
import { AXES, describe, isMeant, isPossible, REGISTRIES, SIZES } from "./axes.mjs";
import { runConfiguration } from "./configuration.mjs";
import { cover, rowsOf } from "./cover.mjs";
import { reasonAgainst } from "./excluded.mjs";
import { inOrder, REGISTRY } from "./lanes.mjs";
import { callCells, plainTable, rollingCells } from "./report.mjs";
import { runRolling } from "./rolling.mjs";
import { appOf, buildPeers } from "./sides.mjs";

const KINDS = { calls: runConfiguration, rolling: runRolling };

/**
 * What is run: [{ kind, config }].
 * @param match what the description of a configuration must match, for work on one part
 * @param against a peer that takes Dubhe's place, or "itself"; then every configuration is there, those left out as well
 */
export function plan({ size, seed = 1, match = "", against }) {
  const planned =
    against === undefined
      ? covering(size, seed)
      : rowsOf(AXES, isMeant).flatMap((row) => {
          const config = { ...row, against: against === "itself" ? row.peer : against };
          const rolling = config.registry !== "direct" && config.first === "provider";
          return (rolling ? ["calls", "rolling"] : ["calls"]).map((kind) => ({ kind, config }));
        });
  const asked = new RegExp(match);
  return planned.filter(({ kind, config }) => asked.test(`${kind}: ${describe(config)}`));
}

function covering(size, seed) {
  const rows = cover(rowsOf(AXES, isPossible), SIZES[size], seed);
  const pairs = new Map();
  for (const config of rows) {
    const key = `${config.peer} ${config.role} ${size === "full" ? config.registry : ""}`;
    // Without a registry nobody hears that a provider leaves.
    const possible = config.registry !== "direct" && reasonAgainst(config, "rolling") === undefined;
    if (possible && !pairs.has(key)) pairs.set(key, config);
  }
  return [
    ...rows.map((config) => ({ kind: "calls", config })),
    ...[...pairs.values()].map((config) => ({ kind: "rolling", config: { ...config, first: "provider" } })),
  ];
}

/** Runs a plan; the results, failures included. @param print takes a line */
export async function runMatrix(plan, print = console.log) {
  const names = new Set(plan.flatMap(({ config }) => [config.peer, config.against ?? config.peer]));
  await buildPeers([...names]);
  const lanes = REGISTRIES.map((registry) => plan.filter(({ config }) => config.registry === registry));
  const results = await Promise.all(lanes.filter((lane) => lane.length > 0).map((lane) => runLane(lane, print)));
  return results.flat();
}

async function runLane(lane, print) {
  const { registry: name } = lane[0].config;
  const home = new Trial(() => {});
  try {
    const registry = await REGISTRY[name](home);
    const results = [];
    for (const { kind, config } of inOrder(lane)) results.push(await runOne(kind, config, registry, print));
    return results;
  } catch (error) {
    print(`FAIL  ${name} did not start: ${error.stack}\n${home.evidence()}`);
    return lane.map(({ kind, config }) => ({ kind, config, count: 0, seconds: 0, failure: `${name} did not start` }));
  } finally {
    await home.close();
  }
}

async function runOne(kind, config, registry, print) {
  const began = performance.now();
  const trial = new Trial(() => {});
  let failure;
  let seen = { count: 0 };
  try {
    await trial.step(config.peer, describe(config), async () => {
      await registry.prepare?.(config, appOf(config));
      seen = await KINDS[kind](config, trial, registry);
    });
  } catch (error) {
    failure = error instanceof StepFailed ? error.message : String(error.stack);
    print(`FAIL  ${kind}: ${describe(config)}\n      ${failure.split("\n").join("\n      ")}\n${trial.evidence()}`);
  }
  await trial.close();
  const seconds = (performance.now() - began) / 1000;
  if (failure === undefined)
    print(
      `  ok  ${kind}: ${describe(config)}: ${seen.count} calls${seen.dropped > 0 ? `, ${seen.dropped} dropped by the peer,` : ""} in ${seconds.toFixed(1)} s`,
    );
  return { kind, config, ...seen, seconds, ...(failure !== undefined && { failure }) };
}

/** The tables. */
export function summary(results) {
  const failed = results.filter(({ failure }) => failure !== undefined);
  return [
    "calls: configurations × calls",
    plainTable(callCells(results)),
    "",
    "provider replaced under load: calls (dropped: by a peer that does not stop gracefully)",
    plainTable(rollingCells(results)),
    "",
    ...failed.map(({ kind, config, failure }) => `FAIL ${kind}: ${describe(config)}: ${failure.split("\n")[0]}`),
    `matrix: ${results.length - failed.length} configurations passed, ${failed.length} failed`,
  ].join("\n");
}
