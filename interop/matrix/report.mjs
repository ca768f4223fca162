// The results as a table: a row for each peer and role, a column for each registry.
import { writeFileSync } from "node:fs";
import { AXES, isPair, PEERS, REGISTRIES } from "./axes.mjs";
import { DROPS, EXCLUDED, FIXTURES, ONE_REVISION, reasonAgainst } from "./excluded.mjs";

const ROLES = { provider: "called by Dubhe", consumer: "calls Dubhe" };

/** The cells of one kind: [peer, role, ...text for each registry]. */
export function cells(results, text, leftOut = () => "") {
  return Object.keys(PEERS).flatMap((peer) =>
    Object.keys(ROLES).map((role) => [
      `${peer} ${ROLES[role]}`,
      ...REGISTRIES.map((registry) => {
        const of = results.filter(
          ({ config }) => config.peer === peer && config.role === role && config.registry === registry,
        );
        if (of.length === 0) return isPair({ peer, registry }) ? leftOut({ peer, role, registry }) : "has none";
        const failed = of.filter(({ failure }) => failure !== undefined);
        return failed.length === 0 ? text(of) : `**${failed.length} of ${of.length} FAILED**`;
      }),
    ]),
  );
}

const sum = (of, key) => of.reduce((total, result) => total + (result[key] ?? 0), 0);
export const callCells = (results) =>
  cells(
    results.filter(({ kind }) => kind === "calls"),
    (of) => `${of.length} × ${of[0].count}`,
  );
export const rollingCells = (results) =>
  cells(
    results.filter(({ kind }) => kind === "rolling"),
    (of) => {
      const dropped = sum(of, "dropped");
      return `${sum(of, "count")}${dropped > 0 ? `, ${dropped} dropped` : ""}`;
    },
    (pair) =>
      AXES.mode.every((mode) => mode === "-" || reasonAgainst({ ...pair, mode, first: "provider" }, "rolling"))
        ? "left out"
        : "",
  );

const HEAD = ["", ...REGISTRIES];

/** For a terminal. */
export function plainTable(rows) {
  const all = [HEAD, ...rows];
  const widths = HEAD.map((_, i) => Math.max(...all.map((row) => row[i].length)));
  return all.map((row) => row.map((text, i) => text.padEnd(widths[i])).join("  ")).join("\n");
}

const markdownTable = (rows) => {
  const all = [HEAD, HEAD.map(() => "---"), ...rows];
  const widths = HEAD.map((_, i) => Math.max(...all.map((row) => row[i].length)));
  return all
    .map(
      (row) =>
        `| ${row.map((text, i) => (text === "---" ? "-".repeat(widths[i]) : text.padEnd(widths[i]))).join(" | ")} |`,
    )
    .join("\n");
};

const DOCUMENT = new URL("../../docs/interop.md", import.meta.url);
/** Each configuration as a line of JSON. */
const RECORD = new URL("../../docs/interop.jsonl", import.meta.url);

/** docs/interop.md, and what it is made of in docs/interop.jsonl. */
export function writeDocument({ results, size, seconds }) {
  writeFileSync(DOCUMENT, document({ results, size, seconds }));
  const record = results.map(({ kind, config, count, dropped, seconds: took, failure }) => ({
    kind,
    ...config,
    calls: count,
    ...(dropped > 0 && { dropped }),
    seconds: Number(took.toFixed(1)),
    ...(failure !== undefined && { failure: failure.split("\n")[0] }),
  }));
  writeFileSync(RECORD, record.map((line) => `${JSON.stringify(line)}\n`).join(""));
}

export function document({ results, size, seconds }) {
  const failed = results.filter(({ failure }) => failure !== undefined).length;
  return `# Interop

Every pair of Dubhe and a dubbo peer, on every registry that the peer has: ${results.length - failed} configurations passed, ${failed} failed,
in ${Math.round(seconds / 60)} minutes. Each of them is a line of [interop.jsonl](interop.jsonl). Written by

    npm run interop -- --only matrix --${size} --write

"n × 11" is n configurations with 11 calls each: unary, server, client and bidirectional stream, error, error with a code, unknown
method, deadline, 1 MiB there and back, 1 000 messages a stream, cancel in mid-stream (the server must notice). Contents, order,
status codes, an attachment and which server answered are checked. ${COVERED[size]}
metadata local or remote; registered by instance, by interface, both; group and version set or not; provider or consumer started
first. "dubbo-go 3.3.2" is with untouched defaults, "tri" with its metadata over Triple. The registries are ZooKeeper 3.8, Nacos 3.1,
etcd 3.4 and Dubhe's own; each is started once for all its configurations.

${markdownTable(callCells(results))}

A provider is replaced twice by one with another revision, while the consumer keeps 8 calls in flight and retries none. The number is
that of the calls; none failed but those "dropped", which were in flight when the peer's provider, told to stop, closed or refused
them. They may have been made, so that nobody may make them again unasked.

${markdownTable(rollingCells(results))}
${section("Left out", "What the peer cannot do with its own kind either.", EXCLUDED)}
${section("Dropped calls", "Providers that do not stop gracefully.", DROPS)}
${section("Done for the peers' sake", "", [...FIXTURES, ...ONE_REVISION])}`;
}

const COVERED = {
  full: "For each pair the\nconfigurations cover any two values of any two of:",
  ci: "The configurations cover\nevery pair, and any two values of any two of: peer, role, registry,",
};

const section = (title, lead, entries) => `
## ${title}
${lead === "" ? "" : `\n${lead}\n`}
${entries.map(({ what, reason, seen }) => `- **${what}**: ${reason} Seen: ${seen}`).join("\n")}
`;
