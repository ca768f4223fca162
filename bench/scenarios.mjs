/**
 * What is measured. `run(subject, stopped, count)` is one worker of `concurrency` many: a closed loop until `stopped()`,
 * reporting each finished call to `count(startedAt)`.
 *
 * @typedef {import("./subjects/subject.mjs").Subject} Subject
 * @typedef {object} Scenario
 * @property {string} name  as `--only` and the report know it
 * @property {string} title
 * @property {string} call  what one call is
 * @property {number} concurrency
 * @property {boolean} [registry]  Dubhe finds the server through a registry; the others are given the address
 * @property {(subject: Subject, stopped: () => boolean, count: (startedAt: number) => void) => Promise<void>} run
 */

async function unary(subject, stopped, count) {
  while (!stopped()) {
    const startedAt = performance.now();
    await subject.unary();
    count(startedAt);
  }
}

async function pingPong(subject, stopped, count) {
  const stream = subject.openLongStream();
  while (!stopped()) {
    const startedAt = performance.now();
    await stream.exchange();
    count(startedAt);
  }
  await stream.end();
}

async function shortStream(subject, stopped, count) {
  while (!stopped()) {
    const startedAt = performance.now();
    const stream = subject.openStream();
    await stream.exchange();
    await stream.end();
    count(startedAt);
  }
}

async function clientPerRequest(subject, stopped, count) {
  while (!stopped()) {
    const startedAt = performance.now();
    await subject.exchangeOnNewClient();
    count(startedAt);
  }
}

/** @type {readonly Scenario[]} */
export const SCENARIOS = [
  { name: "unary-1", title: "Unary, 1 call at a time", call: "a unary call", concurrency: 1, run: unary },
  { name: "unary-64", title: "Unary, 64 calls at a time", call: "a unary call", concurrency: 64, run: unary },
  {
    name: "ping-pong",
    title: "Ping-pong on 16 long bidirectional streams",
    call: "one message there and one back",
    concurrency: 16,
    run: pingPong,
  },
  {
    name: "short-streams",
    title: "Short bidirectional streams, 64 at a time",
    call: "open a stream, one message there and one back, end it",
    concurrency: 64,
    run: shortStream,
  },
  {
    name: "client-per-request",
    title: "A client per request, 64 at a time",
    call: "make a client, a short bidirectional stream on it, dispose it",
    concurrency: 64,
    registry: true,
    run: clientPerRequest,
  },
];

export const scenarioNamed = (name) => SCENARIOS.find((scenario) => scenario.name === name);
