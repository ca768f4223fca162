import { spread } from "./statistics.mjs";

/**
 * What Dubhe is held to. `factor(dubhe, other)` says how many times better Dubhe was in one round; the bar is on the
 * median of the rounds, because what disturbs a machine disturbs the neighbouring cells of a round alike.
 */
export const BARS = [
  {
    scenario: "unary-64",
    other: "grpc-js",
    atLeast: 10,
    what: "CPU per unary call at concurrency 64, client and server together: at most 1/10 of grpc-js's",
    factor: (dubhe, other) => other.cpuMicros / dubhe.cpuMicros,
  },
  {
    scenario: "short-streams",
    other: "grpc-js",
    atLeast: 10,
    what: "CPU per short bidirectional stream, client and server together: at most 1/10 of grpc-js's",
    factor: (dubhe, other) => other.cpuMicros / dubhe.cpuMicros,
  },
  {
    scenario: "client-per-request",
    other: "grpc-js",
    atLeast: 8,
    what: "a client per request through the registry: at least 8 times grpc-js's rate by address",
    factor: (dubhe, other) => dubhe.callsPerSecond / other.callsPerSecond,
  },
];

/**
 * @param {Map<string, Map<string, object[]>>} cells  results by scenario and subject, in the order of the rounds
 */
export function judge(cells) {
  return BARS.flatMap((bar) => {
    const dubhe = cells.get(bar.scenario)?.get("dubhe") ?? [];
    const other = cells.get(bar.scenario)?.get(bar.other) ?? [];
    if (dubhe.length === 0 || other.length === 0) return [];
    const rounds = dubhe.slice(0, other.length).map((result, i) => bar.factor(result, other[i]));
    const factor = spread(rounds);
    return [{ ...bar, factor, held: factor.median >= bar.atLeast }];
  });
}
