/**
 * What one worker of a closed loop does until `stopped()`: it reports each finished call to `count(startedAt)`, without a
 * time where a call has no latency.
 *
 * @typedef {import("./subjects/subject.mjs").Subject} Subject
 * @typedef {import("./lib/load.mjs").Job} Job
 * @typedef {(subject: Subject, stopped: () => boolean, count: (startedAt?: number) => void, job: Job) => Promise<void>} Run
 */

/** Messages on each stream of the firehose. */
export const FIRE_MESSAGES = 1000;

/** By name, because the client in Go has its own. */
export const RUNS = {
  async unary(subject, stopped, count) {
    while (!stopped()) {
      const startedAt = performance.now();
      await subject.unary();
      count(startedAt);
    }
  },

  async "ping-pong"(subject, stopped, count) {
    const stream = subject.openLongStream();
    while (!stopped()) {
      const startedAt = performance.now();
      await stream.exchange();
      count(startedAt);
    }
    await stream.end();
  },

  /** The worker's part of the job's long streams, in turn. */
  async "shared-streams"(subject, stopped, count, job) {
    const streams = Array.from({ length: Math.ceil(job.streams / job.concurrency) }, () => subject.openLongStream());
    while (!stopped()) {
      for (const stream of streams) {
        const startedAt = performance.now();
        await stream.exchange();
        count(startedAt);
        if (stopped()) break;
      }
    }
  },

  async "short-stream"(subject, stopped, count) {
    while (!stopped()) {
      const startedAt = performance.now();
      const stream = subject.openStream();
      await stream.exchange();
      await stream.end();
      count(startedAt);
    }
  },

  async fire(subject, stopped, count) {
    while (!stopped()) await subject.fire(FIRE_MESSAGES, count);
  },

  async "client-per-request"(subject, stopped, count) {
    while (!stopped()) {
      const startedAt = performance.now();
      await subject.exchangeOnNewClient();
      count(startedAt);
    }
  },
};

const PEERS = ["dubhe", "grpc-js", "connect-node", "nice-grpc"];

/**
 * The closed loops that are held to the bars. A pair is a subject, or `CLIENT>SERVER` of two.
 *
 * @typedef {object} Scenario
 * @property {string} name  as `--only` and the report know it
 * @property {string} title
 * @property {string} call  what one call is
 * @property {keyof typeof RUNS} run
 * @property {number} concurrency
 * @property {number} [warmConcurrency]
 * @property {number} [payload]  octets; default 64
 * @property {boolean} [tls]
 * @property {boolean} [registry]  Dubhe finds the server through a registry; the others are given the address
 * @property {readonly string[]} pairs
 *
 * @type {readonly Scenario[]}
 */
export const SCENARIOS = [
  {
    name: "unary-1",
    title: "Unary, 1 call at a time",
    call: "a unary call",
    run: "unary",
    concurrency: 1,
    // One at a time, a slow subject makes some hundred calls a second: it would be measured before it is compiled.
    warmConcurrency: 16,
    pairs: [...PEERS, "grpc-go", "node-http2", "net-echo"],
  },
  {
    name: "unary-64",
    title: "Unary, 64 calls at a time",
    call: "a unary call",
    run: "unary",
    concurrency: 64,
    pairs: [...PEERS, "grpc-go", "node-http2", "net-echo", "dubhe>grpc-go", "grpc-go>dubhe"],
  },
  {
    name: "unary-512",
    title: "Unary, 512 calls at a time",
    call: "a unary call",
    run: "unary",
    concurrency: 512,
    pairs: ["dubhe", "grpc-js", "grpc-go", "node-http2", "net-echo"],
  },
  {
    name: "unary-16k",
    title: "Unary with 16 KiB, 64 calls at a time",
    call: "a unary call with 16 KiB of data there and back",
    run: "unary",
    concurrency: 64,
    payload: 16_384,
    pairs: [...PEERS, "grpc-go", "node-http2", "net-echo"],
  },
  {
    name: "tls",
    title: "Unary over TLS, 64 calls at a time",
    call: "a unary call",
    run: "unary",
    concurrency: 64,
    tls: true,
    pairs: ["dubhe", "grpc-js", "connect-node", "grpc-go", "node-http2"],
  },
  {
    name: "ping-pong",
    title: "Ping-pong on 16 long bidirectional streams",
    call: "one message there and one back",
    run: "ping-pong",
    concurrency: 16,
    pairs: [...PEERS, "grpc-go", "node-http2"],
  },
  {
    name: "short-streams",
    title: "Short bidirectional streams, 64 at a time",
    call: "open a stream, one message there and one back, end it",
    run: "short-stream",
    concurrency: 64,
    pairs: [...PEERS, "grpc-go", "node-http2"],
  },
  {
    name: "firehose",
    title: "Firehose: server streaming, 4 streams at a time",
    call: `one of the ${FIRE_MESSAGES} messages of a stream`,
    run: "fire",
    concurrency: 4,
    pairs: [...PEERS, "grpc-go", "node-http2"],
  },
  {
    name: "client-per-request",
    title: "A client per request, 64 at a time",
    call: "make a client, a short bidirectional stream on it, dispose it",
    run: "client-per-request",
    concurrency: 64,
    registry: true,
    pairs: PEERS,
  },
];

const COMPARED = ["dubhe", "grpc-js", "grpc-go"];

/**
 * How the cost of a call grows. `at(x)` is what differs from a unary call of 64 octets, 64 at a time, on one connection.
 */
export const GROWTH = [
  {
    name: "growth-concurrency",
    title: "Calls at a time",
    x: "unary calls of 64 octets at a time, on one client",
    xs: [1, 10, 100, 1000, 10_000],
    at: (concurrency) => ({ concurrency, warmConcurrency: Math.max(16, concurrency) }),
    subjects: COMPARED,
  },
  {
    name: "growth-payload",
    title: "Payload",
    x: "octets of data there and back, 16 unary calls at a time",
    xs: [16, 256, 4096, 65_536, 1_048_576],
    at: (payload) => ({ payload, concurrency: 16 }),
    subjects: COMPARED,
  },
  {
    name: "growth-connections",
    title: "Connections",
    x: "connections that share 1,000 unary calls at a time",
    xs: [1, 10, 100, 1000],
    at: (connections) => ({ connections, concurrency: 1000 }),
    subjects: COMPARED,
  },
  {
    name: "growth-streams",
    title: "Streams per connection",
    x: "long bidirectional streams on one connection, ping-pong on at most 50 of them at a time",
    xs: [1, 10, 100, 1000, 10_000],
    at: (streams) => ({ run: "shared-streams", streams, concurrency: Math.min(50, streams) }),
    subjects: COMPARED,
  },
];
