// The axes of the matrix. Every pair with Dubhe in it is a peer, what the peer is (provider or consumer) and a registry; how they
// register and in what order they start are the other axes. A configuration is one value of each; all calls are made in it.
import { reasonAgainst } from "./excluded.mjs";

/** Name → how its programs are built and started. */
export const PEERS = {
  "dubbo-go 3.3.2": { language: "go", version: "3.3.2", flags: [] },
  "dubbo-go 3.3.2 tri": { language: "go", version: "3.3.2", flags: ["--metadata-protocol", "tri"] },
  "dubbo-go 3.3.0": { language: "go", version: "3.3.0", flags: [] },
  "dubbo-java 3.3.6": { language: "java", version: "3.3.6", flags: [] },
  "dubbo-java 3.2.19": { language: "java", version: "3.2.19", flags: [] },
};

export const REGISTRIES = ["direct", "zookeeper", "nacos", "etcd", "embedded"];

/** "-" = there is none without a registry. */
export const AXES = {
  peer: Object.keys(PEERS),
  role: ["provider", "consumer"],
  registry: REGISTRIES,
  metadata: ["local", "remote", "-"],
  mode: ["instance", "interface", "all", "-"],
  identity: ["none", "group+version"],
  first: ["provider", "consumer"],
};

/** In the order they are made. */
export const CALLS = [
  "unary",
  "server-stream",
  "client-stream",
  "bidi-stream",
  "error",
  "coded-error",
  "unknown-method",
  "deadline",
  "large",
  "many",
  "cancel",
];

/** A pair that the issue asks for: dubbo-java has no etcd registry. */
export const isPair = ({ peer, registry }) => !(registry === "etcd" && PEERS[peer].language === "java");

/** Whether a configuration makes sense. */
export function isMeant(config) {
  const direct = config.registry === "direct";
  return isPair(config) && (config.metadata === "-") === direct && (config.mode === "-") === direct;
}

/** Whether it can be: what is missing for the peers' sake is in excluded.mjs, with the reasons. */
export const isPossible = (config) => isMeant(config) && reasonAgainst(config) === undefined;

const PAIR = ["peer", "role", "registry"];
const others = Object.keys(AXES).filter((name) => !PAIR.includes(name));
const twoOf = (names) => names.flatMap((a, i) => names.slice(i + 1).map((b) => [a, b]));

/** What combinations of axes have all their values covered. */
export const SIZES = {
  /** Every pair with Dubhe in it, and any two values of any two axes. */
  ci: [PAIR, ...twoOf(Object.keys(AXES))],
  /** Any two values of any two of the other axes, for every pair with Dubhe in it. */
  full: twoOf(others).map((two) => [...PAIR, ...two]),
};

export const describe = ({ peer, role, against = "Dubhe", registry, metadata, mode, identity, first }) =>
  [
    `${peer} ${role === "provider" ? "called by" : "calls"} ${against}`,
    registry,
    ...(registry === "direct" ? [] : [`metadata ${metadata}`, `by ${mode}`]),
    identity,
    `${first} first`,
  ].join(", ");
