import { test } from "node:test";
import { Http2Model, MAX_WINDOW, type ModelCall, type ModelFrame, type ModelStep, modelBlocks } from "@dubhe/testing";
import fc from "fast-check";

/*
 * The connection against the model of RFC 9113 in @dubhe/testing: any frames, any calls, bytes split at random.
 * model.test.ts has what this leaves out: the transport, time, and the inner books. `DUBHE_RUNS=10000` for a long search.
 */

/** Mostly a stream that there is: Http2Model.streamOf. */
const which = fc.oneof(
  { weight: 30, arbitrary: fc.integer({ min: 0, max: 9 }) },
  { weight: 1, arbitrary: fc.integer({ min: -1, max: 14 }) },
);
const seldom = fc.nat({ max: 3 }).map((n) => n === 0);
const frame: fc.Arbitrary<ModelFrame> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      type: fc.constant("HEADERS" as const),
      which,
      block: fc.oneof(
        { weight: 6, arbitrary: fc.constant("natural" as const) },
        { weight: 1, arbitrary: fc.constantFrom(...(Object.keys(modelBlocks) as (keyof typeof modelBlocks)[])) },
      ),
      end: seldom,
    }),
  },
  {
    weight: 12,
    arbitrary: fc.record({
      type: fc.constant("DATA" as const),
      which,
      size: fc.constantFrom(0, 3, 5, 9_000, 16_000),
      padding: fc.constantFrom(-1, -1, 0, 200),
      end: seldom,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant("RST_STREAM" as const),
      which,
      code: fc.constantFrom("CANCEL", "REFUSED_STREAM", "NO_ERROR"),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant("WINDOW_UPDATE" as const),
      which: fc.oneof(fc.constant(-1), which, which),
      increment: fc.constantFrom(1, 5_000, 70_000, 0, MAX_WINDOW),
    }),
  },
  {
    weight: 4,
    arbitrary: fc
      .constantFrom(
        ["INITIAL_WINDOW_SIZE", 0],
        ["INITIAL_WINDOW_SIZE", 500],
        ["INITIAL_WINDOW_SIZE", 40_000],
        ["INITIAL_WINDOW_SIZE", 10_000],
        ["INITIAL_WINDOW_SIZE", 100_000],
        ["INITIAL_WINDOW_SIZE", MAX_WINDOW],
        ["INITIAL_WINDOW_SIZE", MAX_WINDOW + 1],
        ["MAX_CONCURRENT_STREAMS", 0],
        ["MAX_CONCURRENT_STREAMS", 2],
        ["MAX_CONCURRENT_STREAMS", 5],
        ["HEADER_TABLE_SIZE", 0],
        ["HEADER_TABLE_SIZE", 4_096],
        ["ENABLE_PUSH", 0],
        ["ENABLE_PUSH", 1],
        ["ENABLE_PUSH", 2],
        ["MAX_FRAME_SIZE", 16_383],
        ["MAX_FRAME_SIZE", 1_000_000],
        ["0x99", 7],
      )
      .map(([setting, value]) => ({ type: "SETTINGS" as const, setting: String(setting), value: Number(value) })),
  },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant("GOAWAY" as const), last: fc.constantFrom(0, 1, 3, 5, MAX_WINDOW) }),
  },
  {
    weight: 3,
    arbitrary: fc
      .constantFrom(
        "PING ACK" as const,
        "PING" as const,
        "SETTINGS ACK" as const,
        "PRIORITY" as const,
        "UNKNOWN" as const,
      )
      .map((type) => ({ type })),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(
        ["SETTINGS stream=1", "PROTOCOL_ERROR"],
        ["SETTINGS hex=0001", "FRAME_SIZE_ERROR"],
        ["SETTINGS ACK hex=000100000000", "FRAME_SIZE_ERROR"],
        ["PING stream=1", "PROTOCOL_ERROR"],
        ["PING hex=00", "FRAME_SIZE_ERROR"],
        ["GOAWAY 0 stream=1", "PROTOCOL_ERROR"],
        ["GOAWAY hex=00", "FRAME_SIZE_ERROR"],
        ["WINDOW_UPDATE 0 hex=00", "FRAME_SIZE_ERROR"],
        ["RST_STREAM 1 hex=00", "FRAME_SIZE_ERROR"],
        ["PRIORITY 0 on=3", "PROTOCOL_ERROR"],
        ["PUSH_PROMISE 1 hex=00000002", "PROTOCOL_ERROR"],
        ["CONTINUATION 1 x=1", "PROTOCOL_ERROR"],
        ["HEADERS 1 hex=ff flags=12", "PROTOCOL_ERROR"],
        ["HEADERS 1 hex=ff80808080", "COMPRESSION_ERROR"],
        ["DATA 1 flags=8 hex=05", "PROTOCOL_ERROR"],
        ["DATA 1 length=16385", "FRAME_SIZE_ERROR"],
      )
      .map(([line, code]) => ({ type: "WRONG" as const, line: line!, code: code! })),
  },
);
const local: fc.Arbitrary<ModelCall> = fc.record({
  call: fc.constantFrom(
    ...["open", "open", "openEnded", "headers", "headers", "send", "send", "send", "end", "trailers", "reset"],
    ...["consume", "consume", "ping"],
  ),
  target: fc.nat({ max: 2 }),
  size: fc.constantFrom(0, 5, 3_000, 40_000, 80_000),
});
const ending: fc.Arbitrary<ModelCall> = fc.record({
  call: fc.constantFrom("drain", "drain", "destroy"),
  target: fc.constant(0),
  size: fc.constant(0),
});

const runs = Number(process.env["DUBHE_RUNS"] ?? 250);

for (const role of ["client", "server"] as const) {
  const steps: Record<string, fc.Arbitrary<ModelStep>> = {
    "any frames, any calls": fc.oneof({ weight: 3, arbitrary: frame }, { weight: 2, arbitrary: local }),
    "frames that are mostly fine": fc.oneof(
      { weight: 25, arbitrary: frame.filter(mostlyFine) },
      { weight: 25, arbitrary: local },
      { weight: 1, arbitrary: frame },
    ),
    "and an end to it": fc.oneof(
      { weight: 20, arbitrary: frame.filter(mostlyFine) },
      { weight: 20, arbitrary: local },
      { weight: 1, arbitrary: ending },
    ),
  };
  for (const [name, step] of Object.entries(steps)) {
    test(`${role}: ${name}`, () => {
      fc.assert(
        fc.property(fc.array(step, { minLength: 5, maxLength: 80, size: "max" }), fc.nat(), (sequence, seed) => {
          const model = new Http2Model(role, seed);
          for (const next of sequence) model.run(next);
          model.finish();
        }),
        { numRuns: runs },
      );
    });
  }
}

/** Rarely an error of the connection: long conversations come of these. */
function mostlyFine(step: ModelFrame): boolean {
  switch (step.type) {
    case "HEADERS":
    case "RST_STREAM":
      return step.which >= 0 && step.which < 10;
    case "DATA":
      return step.which >= 0 && step.which < 12;
    case "WINDOW_UPDATE":
      return step.which < 10 && step.increment > 0 && step.increment < MAX_WINDOW;
    case "SETTINGS":
      return step.value < MAX_WINDOW && step.setting !== "ENABLE_PUSH" && step.value !== 16_383;
    default:
      return step.type !== "WRONG" && step.type !== "GOAWAY";
  }
}
