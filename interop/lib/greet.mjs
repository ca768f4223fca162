// The steps that greet cells share: a consumer of either side makes its calls and the answers are checked.
import { startConsumer } from "./dubhe.mjs";
import { checkGreetings, linesOf } from "./verdicts.mjs";

export const FOUR_KINDS = ["unary", "server-stream", "client-stream", "bidi-stream"];

const identityFlags = ({ group, version }) => [
  ...(group ? ["--group", group] : []),
  ...(version ? ["--version", version] : []),
];
export const identityText = ({ group, version }) =>
  `group ${group ? `"${group}"` : "unset"}, version ${version ? `"${version}"` : "unset"}`;

/** What the cells run with: neither group nor version, and both. */
export const IDENTITIES = [{}, { group: "interop", version: "1.2.3" }];

/** A Dubhe consumer calls; `peer` says who must answer. */
export async function dubheCalls(trial, { where, identity = {}, peer, calls = FOUR_KINDS }) {
  const child = startConsumer(trial, "dubhe consumer", { ...where, ...identity, calls: calls.join(",") });
  return checkGreetings(await linesOf(child, calls), { name: "dubhe", peer });
}

/** The dubbo-go client calls. */
export async function dubboGoCalls(trial, binary, { where, identity = {}, peer, calls = FOUR_KINDS, timeout = "5s" }) {
  const flags = Object.entries(where).flatMap(([name, value]) => [`--${name}`, value]);
  const child = trial.start(
    "dubbo-go client",
    binary,
    ["client", ...flags, ...identityFlags(identity), "--calls", calls.join(","), "--timeout", timeout],
    {
      cwd: trial.folder(),
    },
  );
  return checkGreetings(await linesOf(child, calls), { name: "peer-go", peer });
}

/** Starts a dubbo-go provider on a port of its own. */
export async function startDubboGo(trial, binary, { port, app, registry, identity = {} }) {
  const flags = ["server", "--port", String(port), "--host", "127.0.0.1", "--app", app];
  if (registry) flags.push("--registry", registry, "--metadata-protocol", "tri");
  const child = trial.start(`dubbo-go provider ${app}`, binary, [...flags, ...identityFlags(identity)], {
    cwd: trial.folder(),
  });
  await child.waitFor(/^READY/m, 90_000);
  return child;
}
