import { spread } from "./statistics.mjs";

/**
 * What Dubhe is held to: `factor(dubhe, other)` says how many times better Dubhe was in one round, or, with `most`, what
 * it is; the bar is on the median of the rounds, because what disturbs a machine disturbs the neighbouring cells of a
 * round alike. `aim` is what would be better still.
 *
 * @typedef {object} Bar
 * @property {string} section
 * @property {string} [other]  a subject; without, Dubhe's own figure is the measure
 * @property {string} what
 * @property {number} [least]
 * @property {number} [most]
 * @property {number} [aim]
 * @property {(dubhe: object, other: object) => number} factor
 */

const rate = (dubhe, other) => dubhe.callsPerSecond / other.callsPerSecond;
const cpu = (dubhe, other) => other.cpuMicros / dubhe.cpuMicros;
const server = (dubhe, other) => other.serverMicros / dubhe.serverMicros;
const p50 = (dubhe, other) => other.p50Micros / dubhe.p50Micros;

function against(section, what, factor, others) {
  return Object.entries(others).map(([other, [least, aim]]) => ({ section, other, what, least, aim, factor }));
}

const codec = (what, other, least) => ({
  section: "codec",
  other,
  what: `codec, ${what}: messages per CPU second`,
  least,
  factor: (dubhe, them) => dubhe[what] / them[what],
});

const pick = (what, key) => ({
  section: "discovery",
  what: `a pick of ${what}: ns`,
  most: 150,
  factor: (dubhe) => dubhe[key],
});

/** @type {readonly Bar[]} */
export const BARS = [
  ...against("unary-64", "unary 64 at a time: calls per second", rate, {
    "grpc-js": [10],
    "connect-node": [40],
    "node-http2": [4],
    "grpc-go": [1.3],
  }),
  ...against("unary-64", "unary 64 at a time: CPU of both sides", cpu, {
    "grpc-js": [12, 20],
    "connect-node": [60],
    "node-http2": [4],
    "grpc-go": [1.7, 2],
    "net-echo": [1 / 8],
  }),
  ...against("unary-1", "unary 1 at a time: p50", p50, { "net-echo": [1 / 1.5], "grpc-js": [3], "node-http2": [1.5] }),
  ...against("unary-16k", "unary 16 KiB: CPU of both sides", cpu, {
    "grpc-js": [8, 15],
    "node-http2": [2.5],
    "net-echo": [1 / 3.5],
  }),
  ...against("h2load", "server under h2load: CPU", server, { "grpc-js": [12, 20], "node-http2": [6], "grpc-go": [3] }),
  ...against("ping-pong", "ping-pong: CPU of both sides", cpu, { "grpc-js": [2, 3.1], "node-http2": [1, 1.6] }),
  ...against("short-streams", "short streams: CPU of both sides", cpu, {
    "grpc-js": [15, 34],
    "node-http2": [5],
    "grpc-go": [2, 4.1],
  }),
  ...against("firehose", "firehose: CPU of both sides per message", cpu, { "grpc-js": [8, 14], "grpc-go": [1.5, 2.6] }),
  ...against("tls", "unary over TLS: CPU of both sides", cpu, { "grpc-js": [15, 60], "node-http2": [5] }),
  ...against("client-per-request", "a client per request: clients per second", rate, { "grpc-js": [8, 15] }),
  ...against("client-per-request", "a client per request: CPU of both sides", cpu, { "grpc-js": [8, 18] }),
  {
    section: "client-per-request",
    what: "a client per request: connections, all in all",
    most: 1,
    factor: ({ connections }) => connections.accepted,
  },
  {
    section: "memory",
    what: "memory: KiB of RSS per idle connection, server",
    most: 14,
    factor: ({ server: s }) => s.connections.rss,
  },
  {
    section: "memory",
    what: "memory: KiB of RSS per open stream, async iterator, server",
    most: 4,
    factor: ({ server: s }) => s.streams.rss,
  },
  ...["p2c-ewma", "round-robin", "weighted-random"].flatMap((name) => [
    pick(`${name} among 10,000 endpoints`, name),
    pick(`${name} among 10,000 endpoints of mixed weights`, `${name}, mixed`),
  ]),
  {
    section: "discovery",
    what: "a change of 10 among 10,000 endpoints: µs",
    most: 200,
    factor: ({ delta }) => delta,
  },
  ...["encode small", "decode small", "encode medium", "decode medium"].flatMap((what) => [
    codec(what, "connect-node", 3),
    codec(what, "grpc-js", 1.2),
  ]),
];

/**
 * @param {(section: string) => Map<string, object[]>} resultsOf  by subject, in the order of the rounds
 */
export function judge(resultsOf) {
  return BARS.flatMap((bar) => {
    const dubhe = resultsOf(bar.section).get("dubhe") ?? [];
    const other = bar.other === undefined ? dubhe : (resultsOf(bar.section).get(bar.other) ?? []);
    if (dubhe.length === 0 || other.length === 0) return [];
    const factor = spread(dubhe.slice(0, other.length).map((result, i) => bar.factor(result, other[i])));
    const held = bar.most === undefined ? factor.median >= bar.least : factor.median <= bar.most;
    const aimed = bar.aim === undefined ? undefined : factor.median >= bar.aim;
    return [{ ...bar, factor, held, aimed }];
  });
}
