// The two sides of a configuration as processes: Dubhe's programs and the peers', with the same flags and the same lines.
import { join } from "node:path";
import { dubboGo, dubboJava, interop } from "../lib/peers.mjs";
import { PEERS } from "./axes.mjs";

const DUBHE = "Dubhe";

/** Builds what the peers need; a second with warm caches. */
export async function buildPeers(names) {
  const languages = new Set(names.map((name) => PEERS[name].language));
  if (languages.has("go")) await dubboGo();
  if (languages.has("java")) await dubboJava();
}

async function programOf(side) {
  const { language, version } = PEERS[side];
  if (language === "go") return { command: await dubboGo(version) };
  return {
    command: await dubboJava(),
    // Loopback is "invalid" to dubbo-java: it calls and registers the machine's own address instead.
    env: { PEER_JAVA_DUBBO: version },
  };
}

const flagsOf = (options) =>
  Object.entries(options).flatMap(([name, value]) =>
    value === undefined || value === false ? [] : value === true ? [`--${name}`] : [`--${name}`, String(value)],
  );

function common(config, registry, side) {
  return {
    registry: side === DUBHE ? registry.dubhe : registry.peers,
    "register-mode": config.mode === "-" ? undefined : config.mode,
    "metadata-type": config.metadata === "-" ? undefined : config.metadata,
    ...(config.identity === "none" ? {} : { group: "interop", version: "1.2.3" }),
  };
}

/** `config.against` is a peer that takes Dubhe's place: what the peers can do among themselves. */
const providerSide = ({ role, peer, against = DUBHE }) => (role === "provider" ? peer : against);
const consumerSide = ({ role, peer, against = DUBHE }) => (role === "consumer" ? peer : against);

/**
 * The provider's application: the same in every configuration of a pair, as if it were deployed again. dubbo-go 3.3.0 needs another
 * for another group: its revision leaves the group out, and metadata of a revision that is in ZooKeeper is never written again.
 */
export const appOf = (config) => {
  const side = providerSide(config);
  const group = side === "dubbo-go 3.3.0" && config.identity !== "none" ? "-in-group" : "";
  return `${side.toLowerCase().replaceAll(/[ .]/g, "-")}${group}-provider`;
};

/** What `peer` of its answers says. */
export function signature(config, port) {
  const side = providerSide(config);
  return `${side === DUBHE ? "dubhe" : `dubbo-${PEERS[side].language}`} ${appOf(config)}:${port}`;
}

/** Starts the provider; resolves once it says that it is registered. */
export async function startProviderOf(config, trial, registry, port, more = {}) {
  const side = providerSide(config);
  const flags = { ...common(config, registry, side), app: appOf(config), ...more };
  if (side === DUBHE) {
    const program = join(interop, "dubhe", "provider.mjs");
    const args = ["--enable-source-maps", program, ...flagsOf({ ...flags, listen: `0.0.0.0:${port}` })];
    const child = trial.start(`${side} provider :${port}`, process.execPath, args, { input: "pipe" });
    await child.waitFor(/^READY/m, 30_000);
    return child;
  }
  const { command, env } = await programOf(side);
  const args = ["server", ...flagsOf({ ...flags, port }), ...PEERS[side].flags];
  const child = trial.start(`${side} provider :${port}`, command, args, { cwd: trial.folder(), env });
  await child.waitFor(/^READY/m, 60_000);
  return child;
}

/** Starts the consumer; `port` is the provider's, for a call by address. */
export async function startConsumerOf(config, trial, registry, port, more) {
  const side = consumerSide(config);
  const url = registry.peers === undefined ? `tri://127.0.0.1:${port}` : undefined;
  const flags = { ...common(config, registry, side), url, name: "matrix", ...more };
  if (side === DUBHE) {
    const program = join(interop, "dubhe", "consumer.mjs");
    const { "metadata-type": _, ...known } = flags;
    const args = ["--enable-source-maps", program, ...flagsOf(known)];
    return trial.start(`${side} consumer`, process.execPath, args, { input: "pipe" });
  }
  const { command, env } = await programOf(side);
  const durations = { wait: flags.wait && `${flags.wait}ms`, timeout: "3s" };
  const args = ["client", ...flagsOf({ ...flags, ...durations }), ...PEERS[side].flags];
  return trial.start(`${side} consumer`, command, args, { cwd: trial.folder(), env, input: "pipe" });
}
