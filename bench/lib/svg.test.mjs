import assert from "node:assert/strict";
import { test } from "node:test";
import { lineChart, logAxis, short } from "./svg.mjs";

test("a logarithmic axis has whole powers of ten and puts equal factors at equal distances", () => {
  const axis = logAxis([3, 4000], 100, 500);
  assert.deepEqual(axis.ticks, [1, 10, 100, 1000, 10_000]);
  assert.equal(axis.at(1), 100);
  assert.equal(axis.at(100), 300);
  assert.equal(axis.at(10_000), 500);
});

test("one value, and none, still make an axis", () => {
  assert.deepEqual(logAxis([10], 0, 1).ticks, [10, 100]);
  assert.deepEqual(logAxis([], 0, 1).ticks, [1, 10]);
  assert.deepEqual(logAxis([0.2, 0.7], 0, 1).ticks, [0.1, 1]);
});

test("ticks are short", () => {
  assert.deepEqual([0.01, 0.1, 1, 1000, 10_000, 1_000_000].map(short), ["0.01", "0.1", "1", "1000", "10k", "1M"]);
});

test("a chart has a line for each series, without what a logarithm cannot show, and escaped words", () => {
  const svg = lineChart({
    title: "a < b & c",
    xLabel: "x",
    yLabel: "y",
    series: [
      {
        name: "one",
        points: [
          { x: 1, y: 10 },
          { x: 10, y: 100 },
          { x: 100, y: 0 },
        ],
      },
      {
        name: "two",
        points: [
          { x: 1, y: 100 },
          { x: 10, y: 10 },
        ],
      },
    ],
  });
  assert.equal(svg.match(/<polyline /g).length, 2);
  assert.equal(svg.match(/<circle /g).length, 4);
  assert.match(svg, /a &lt; b &amp; c/);
  // From the lower left corner to the upper right one, and the other way round.
  assert.match(svg, /points="70,360 590,48"/);
  assert.match(svg, /points="70,48 590,360"/);
  assert.doesNotMatch(svg, /NaN|Infinity|undefined/);
});
