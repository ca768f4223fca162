// The results as a table: a row for each peer and role, a column for each registry.
import { writeFileSync } from "node:fs";
import { PEERS, REGISTRIES } from "./axes.mjs";
import { EXCLUDED } from "./excluded.mjs";

const ROLES = { provider: "called by Dubhe", consumer: "calls Dubhe" };

/** The cells of one kind: [peer, role, ...text for each registry]. */
export function cells(results, text) {
  return Object.keys(PEERS).flatMap((peer) =>
    Object.keys(ROLES).map((role) => [
      `${peer} ${ROLES[role]}`,
      ...REGISTRIES.map((registry) => {
        const of = results.filter(
          ({ config }) => config.peer === peer && config.role === role && config.registry === registry,
        );
        if (of.length === 0) return registry === "etcd" && PEERS[peer].language === "java" ? "has none" : "";
        const failed = of.filter(({ failure }) => failure !== undefined);
        return failed.length === 0 ? text(of) : `**${failed.length} of ${of.length} FAILED**`;
      }),
    ]),
  );
}

const sum = (of, key) => of.reduce((total, result) => total + result[key], 0);
export const callCells = (results) =>
  cells(
    results.filter(({ kind }) => kind === "calls"),
    (of) => `${of.length} × ${of[0].count}`,
  );
export const rollingCells = (results) =>
  cells(
    results.filter(({ kind }) => kind === "rolling"),
    (of) => `${sum(of, "count")} calls`,
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
const RECORD = new URL("../../docs/interop.json", import.meta.url);

/** docs/interop.md, and each configuration in docs/interop.json. */
export function writeDocument({ results, size, seconds }) {
  writeFileSync(DOCUMENT, document({ results, size, seconds }));
  const record = results.map(({ kind, config, count, seconds: took, failure }) => ({
    kind,
    ...config,
    calls: count,
    seconds: Number(took.toFixed(1)),
    ...(failure !== undefined && { failure: failure.split("\n")[0] }),
  }));
  writeFileSync(RECORD, `[\n${record.map((line) => `  ${JSON.stringify(line)}`).join(",\n")}\n]\n`);
}

export function document({ results, size, seconds }) {
  const failed = results.filter(({ failure }) => failure !== undefined).length;
  return `# Interop

Every pair of Dubhe and a dubbo peer, on every registry that the peer has: ${results.length - failed} configurations passed, ${failed} failed,
in ${Math.round(seconds / 60)} minutes. Each of them is a line of [interop.json](interop.json). Written by

    npm run interop -- --only matrix --${size} --write

"n × 11" is n configurations with 11 calls each: unary, server, client and bidirectional stream, error, error with a code, unknown
method, deadline, 1 MiB there and back, 1 000 messages a stream, cancel in mid-stream (the server must notice). ${COVERED[size]}
metadata local or remote; registered by instance, by interface, both; group and version set or not; provider or consumer started
first. "dubbo-go 3.3.2" is with untouched defaults, "tri" with its metadata over Triple. The registries are ZooKeeper 3.8, Nacos 3.1,
etcd 3.4 and Dubhe's own; each is started once for all its configurations.

${markdownTable(callCells(results))}

A provider is replaced twice by one with another revision, while 8 callers call without a retry of the peers' own; the calls that were
made, none of which failed:

${markdownTable(rollingCells(results))}

${notes()}`;
}

const COVERED = {
  full: "For each pair the configurations\ncover any two values of any two of:",
  ci: "The configurations cover\nevery pair, and any two values of any two of: peer, role, registry,",
};

function notes() {
  if (EXCLUDED.length === 0) return "";
  return `## What peers cannot do among themselves

Left out of the above, because the peer fails with its own kind as well.

${EXCLUDED.map(({ what, reason, seen }) => `- ${what}: ${reason} Seen: ${seen}`).join("\n")}
`;
}
