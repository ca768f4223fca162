// The fuzzer's own tools: would it find anything?
import assert from "node:assert/strict";
import { test } from "node:test";
import { Corpus } from "./lib/corpus.mjs";
import { parseHex } from "./lib/findings.mjs";
import { FrameChecker } from "./lib/frame-checker.mjs";
import { frame, joinFrames, RESPONSE, splitFrames } from "./lib/frames.mjs";
import { minimise } from "./lib/minimise.mjs";
import { concat, mutateBytes } from "./lib/mutate.mjs";
import { NaiveHpackDecoder, naiveHuffmanDecode } from "./lib/naive-hpack.mjs";
import { Random } from "./lib/random.mjs";
import { joinRecords, recordsOf } from "./lib/wire.mjs";

test("guided by what is new, it finds four bytes that chance would not", () => {
  const magic = [0x46, 0x75, 0x7a, 0x7a];
  const run = (input) => {
    let right = 0;
    while (right < 4 && input[right] === magic[right]) right++;
    return [right];
  };
  const random = new Random(1);
  const corpus = new Corpus();
  corpus.add(new Uint8Array(4));
  let runs = 0;
  for (let best = 0; best < 4; runs++) {
    assert.ok(runs < 200_000);
    const input = mutateBytes(corpus.choose(random), random);
    const features = run(input);
    best = Math.max(best, features[0]);
    if (corpus.notes(features)) corpus.add(input);
  }
});

test("the same seed gives the same numbers", () => {
  const numbers = (seed) => {
    const random = new Random(seed);
    return [random.next(), random.next(), random.below(1_000)];
  };
  assert.deepEqual(numbers(7), numbers(7));
  assert.notDeepEqual(numbers(7), numbers(8));
});

test("a failure is made small", async () => {
  const input = Uint8Array.from({ length: 500 }, (_, i) => i & 0xff);
  const smallest = await minimise(input, (bytes) => bytes.includes(0x11) && bytes.includes(0x99));
  assert.deepEqual([...smallest], [0x11, 0x99]);
});

test("findings are read as they were written", () => {
  assert.deepEqual(parseHex("# why\n00ff\n10\n"), Uint8Array.of(0, 255, 16));
});

test("frames and records come apart and together again", () => {
  const bytes = concat(frame(1, 4, 3, RESPONSE), frame(0, 1, 3, new Uint8Array(5)), [0, 0]);
  const { frames, rest } = splitFrames(bytes);
  assert.equal(frames.length, 2);
  assert.deepEqual(joinFrames(frames, rest), bytes);
  const wire = Uint8Array.of(8, 5, 18, 2, 1, 2, 0x1d, 1, 2, 3, 4, 0x80);
  const parts = recordsOf(wire);
  assert.equal(parts.records.length, 3);
  assert.deepEqual(joinRecords(parts.records, parts.rest), wire);
});

test("the naive decoder reads RFC 7541's examples", () => {
  const decoder = new NaiveHpackDecoder();
  const hex = (text) => parseHex(text);
  const first = [
    [":method", "GET"],
    [":scheme", "http"],
    [":path", "/"],
    [":authority", "www.example.com"],
  ];
  assert.deepEqual(decoder.decode(hex("828684418cf1e3c2e5f23a6ba0ab90f4ff")), first);
  assert.deepEqual(decoder.decode(hex("828684be5886a8eb10649cbf")), [...first, ["cache-control", "no-cache"]]);
  assert.equal(decoder.size, 110);
  assert.equal(naiveHuffmanDecode(hex("ffffffff")), undefined);
});

test("the frame checker sees what must not be sent", () => {
  const settings = frame(4, 0, 0, new Uint8Array(0));
  const headers = (flags) => frame(1, 4 | flags, 1, RESPONSE);
  const bad = {
    "SETTINGS come first": [headers(0)],
    "DATA on stream": [settings, headers(1), frame(0, 0, 1, new Uint8Array(1))],
    "an increment of 0": [settings, frame(8, 0, 0, new Uint8Array(4))],
    "behind the last GOAWAY": [settings, frame(7, 0, 0, Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1)), headers(0)],
    "trailers end the stream": [settings, headers(0), headers(0)],
    "is not interrupted": [settings, frame(1, 0, 1, RESPONSE), settings],
  };
  for (const [why, frames] of Object.entries(bad)) {
    assert.throws(() => new FrameChecker(false).read(concat(...frames)), new RegExp(why));
  }
  new FrameChecker(false).read(concat(settings, headers(0), frame(0, 1, 1, new Uint8Array(1))));
});
