import assert from "node:assert/strict";
import { test } from "node:test";
import { SECTIONS } from "../sections/index.mjs";
import { subjectNamed } from "../subjects/subject.mjs";
import { BARS, judge } from "./bars.mjs";
import { sidesOf } from "./cell.mjs";
import { readOptions } from "./options.mjs";
import { report } from "./report.mjs";
import { measured, table } from "./table.mjs";

const cell = (cpuMicros, callsPerSecond, p50Micros) => ({ cpuMicros, callsPerSecond, p50Micros });

function verdictsOf(results) {
  return judge((section) => new Map(Object.entries(results[section] ?? {})));
}

test("a bar is on the median of the ratios within the rounds", () => {
  const [verdict] = verdictsOf({
    "short-streams": {
      dubhe: [cell(10, 1, 1), cell(100, 1, 1), cell(10, 1, 1)],
      "grpc-js": [cell(160, 1, 1), cell(1600, 1, 1), cell(50, 1, 1)],
    },
  });
  assert.equal(verdict.other, "grpc-js");
  assert.deepEqual(verdict.factor, { median: 16, min: 5, max: 16 });
  assert.equal(verdict.held, true);
  assert.equal(verdict.aimed, false);
});

test("a reference may be better by so much; less is a miss", () => {
  const against = (p50) => verdictsOf({ "unary-1": { dubhe: [cell(1, 1, p50)], "net-echo": [cell(1, 1, 100)] } })[0];
  assert.equal(against(149).held, true);
  assert.equal(against(151).held, false);
});

test("figures with an upper bound", () => {
  const side = (rss) => ({ connections: { rss }, streams: { rss: 3 }, calls: { rss: 1 } });
  const memory = (rss) => verdictsOf({ memory: { dubhe: [{ server: side(rss) }] } });
  assert.deepEqual(
    memory(13).map(({ held }) => held),
    [true, true],
  );
  assert.deepEqual(
    memory(15).map(({ held }) => held),
    [false, true],
  );
});

test("every bar is on a section and a subject that there are", () => {
  for (const bar of BARS) {
    assert.ok(
      SECTIONS.some(({ name }) => name === bar.section),
      bar.section,
    );
    if (bar.other !== undefined) assert.notEqual(subjectNamed(bar.other), undefined, bar.other);
    assert.equal((bar.least === undefined) !== (bar.most === undefined), true, bar.what);
  }
});

test("every cell of a full and of a quick run has subjects that there are", () => {
  for (const quick of [false, true]) {
    for (const section of SECTIONS) {
      const cells = section.cells({ quick, subjects: ["dubhe", "grpc-js"], budget: {}, shortBudget: {} });
      assert.ok(cells.length > 0, section.name);
      for (const { subject } of cells) {
        const { client, server } = sidesOf(subject);
        assert.ok(client !== undefined && server !== undefined, `${section.name}: ${subject}`);
      }
    }
  }
});

test("parts of a run", () => {
  const only = readOptions(["--only", "growth,unary-64,dubhe"]);
  assert.deepEqual(only.subjects, ["dubhe"]);
  assert.deepEqual(
    only.sections.map(({ name }) => name),
    ["unary-64", "growth-concurrency", "growth-payload", "growth-connections", "growth-streams"],
  );
  const without = readOptions(["--without", "grpc-go,h2load,cores"]);
  assert.ok(!without.subjects.includes("grpc-go"));
  assert.ok(without.sections.every(({ name }) => name !== "h2load" && name !== "cores"));
  assert.equal(without.complete, false);
  assert.equal(readOptions([]).complete, true);
  assert.throws(() => readOptions(["--only", "unary-65"]), /no section or subject unary-65/);
  assert.throws(() => readOptions(["--rounds", "0"]), /whole number/);
});

test("measured figures", () => {
  assert.equal(measured([1, 2, 3]), "2.00 (1.00 to 3.00)");
  assert.equal(measured([Number.NaN, undefined]), "-");
  assert.equal(measured([12.34]), "12.3");
  assert.deepEqual(table(["a", "b"], [["x", "1"]]), ["| a | b |", "| --- | ---: |", "| x | 1 |", ""]);
});

test("a report has the command, the machine's load, the bars and the sections", () => {
  const text = report({
    command: "npm run bench",
    startedAt: new Date(0),
    tookMs: 60_000,
    machine: { cpus: 4, model: "a CPU", memoryGiB: 8, system: "Linux x64" },
    versions: { dubhe: "1.2.3" },
    rounds: 2,
    budget: { warmCpuMs: 1, warmWallMs: 2, cpuMs: 3, wallMs: 4 },
    pinning: undefined,
    sections: [
      {
        name: "one",
        title: "One",
        results: new Map(),
        loads: [
          { before: 0.5, after: 1 },
          { before: 0.7, after: 1.2 },
        ],
        lines: () => ["said", ""],
      },
    ],
    verdicts: verdictsOf({ "unary-1": { dubhe: [cell(1, 1, 200)], "net-echo": [cell(1, 1, 100)] } }),
  });
  assert.match(text, /`npm run bench`, 1970-01-01, 2 rounds, took 1 min/);
  assert.match(text, /load average 0\.5 to 0\.7 before, 1\.0 to 1\.2 after/);
  assert.match(text, /\| unary 1 at a time: p50 \| net-echo \| <= 1\.50x net-echo's \| 2\.00x \|/);
  assert.match(text, /MISSED/);
  assert.match(text, /## One \(`one`\)\n\nsaid/);
});
