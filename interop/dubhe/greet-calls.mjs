// The calls of the greet peers, made by Dubhe; each gives the results that the peers' clients print.

import { setTimeout as sleep } from "node:timers/promises";

/** Far above any stream's first window. */
const LARGE = 1 << 20;
const MANY = 1000;
/** Asked by this name, a server answers how many streams clients have given up. */
export const CANCELLED_STREAMS = "cancelled streams?";

const ALL = ["unary", "server-stream", "client-stream", "bidi-stream"];
const show = ({ greeting, peer, index, attachments }) => ({ greeting, peer, index, attachments });

async function make(client, kind, name, options) {
  const names = [0, 1, 2].map((i) => `${name}-${i}`);
  const results = [];
  switch (kind) {
    case "unary":
      return [show(await client.greet({ name }, options))];
    case "error":
      return [show(await client.greet({ name, fail: "refused by request" }, options))];
    case "coded-error":
      return [show(await client.greet({ name, fail: "bad argument", failCode: 3 }, options))];
    case "deadline":
      return [show(await client.greet({ name, delayMs: 10_000 }, { ...options, timeoutMs: 300 }))];
    case "unknown-method":
      return [show(await client.noSuchMethod({ name }, options))];
    case "large": {
      const long = "0123456789abcdef".repeat(LARGE / 16);
      const response = await client.greet({ name: long }, options);
      if (response.greeting !== `hello ${long}`) throw new Error(`${response.greeting.length} bytes, which differ`);
      return [show({ ...response, greeting: `${response.greeting.length} bytes` })];
    }
    case "many":
      return many(client, name, options);
    case "cancel":
      return cancel(client, name, options);
    case "server-stream":
      for await (const response of client.greetServerStream({ name }, options)) results.push(show(response));
      return results;
    case "client-stream":
      return [show(await client.greetClientStream(outgoing(names), options))];
    case "bidi-stream": {
      // One answer is read before the next request is sent.
      let answered = () => {};
      const turns = async function* () {
        for (const n of names) {
          const turn = new Promise((resolve) => {
            answered = resolve;
          });
          yield { name: n };
          await turn;
        }
      };
      for await (const response of client.greetBidiStream(turns(), options)) {
        results.push(show(response));
        answered();
      }
      return results;
    }
    default:
      throw new Error(`no call "${kind}"`);
  }
}

async function* outgoing(names) {
  for (const name of names) yield { name };
}

/** Reads a long server stream, then writes and reads a long bidirectional one at once; the last answer of each. */
async function many(client, name, options) {
  const names = Array.from({ length: MANY }, (_, i) => `${name}-${i}`);
  const down = await inOrder(
    client.greetServerStream({ name, count: MANY }, options),
    names.map(() => name),
  );
  return [down, await inOrder(client.greetBidiStream(outgoing(names), options), names)];
}

async function inOrder(stream, names) {
  let [index, last] = [0, undefined];
  for await (const response of stream) {
    if (response.index !== index || response.greeting !== `hello ${names[index]}`) {
      throw new Error(`answer ${index} is "${response.greeting}" ${response.index}`);
    }
    index += 1;
    last = response;
  }
  if (index !== names.length) throw new Error(`${index} answers of ${names.length}`);
  return show(last);
}

/** Gives a stream up after its first answer and waits until the server has noticed; the error is the stream's. */
async function cancel(client, name, options) {
  const noticed = async () => (await client.greet({ name: CANCELLED_STREAMS }, options)).index;
  const before = await noticed();
  const controller = new AbortController();
  const requests = async function* () {
    yield { name };
    await new Promise(() => {});
  };
  let gone;
  let results = [];
  try {
    for await (const response of client.greetBidiStream(requests(), { ...options, signal: controller.signal })) {
      results = [show(response)];
      controller.abort();
    }
  } catch (error) {
    gone = error;
  }
  for (const until = performance.now() + 5_000; performance.now() < until; await sleep(20)) {
    if ((await noticed()) > before) throw Object.assign(gone, { results });
  }
  throw new Error("the server has not noticed", { cause: gone });
}

const mustFail = new Map([
  ["error", (error) => error.rawMessage.includes("refused by request")],
  ["coded-error", (error) => error.code === 3 && error.rawMessage.includes("bad argument")],
  ["deadline", (error) => error.code === 4],
  // dubbo-java 3.3 stumbles over it: UNKNOWN with the text of a NullPointerException.
  ["unknown-method", (error) => error.code === 12 || error.rawMessage.includes('"methodDescriptors" is null')],
  ["cancel", (error) => error.code === 1],
]);

/** Makes the calls and prints one line each; whether all went as expected. */
export async function greetCalls(
  client,
  { calls = ALL.join(","), repeat = 1, pauseMs = 0, name = "dubhe", timeoutMs = 15_000, print },
) {
  let good = true;
  for (let i = 0; i < repeat; i++) {
    if (i > 0 && pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
    for (const kind of calls.split(",")) {
      const began = performance.now();
      const line = { call: kind, ok: true, expected: false };
      try {
        // waitForReady: a consumer may start before the registry has heard of the provider.
        const options = { timeoutMs, waitForReady: true, headers: { "peer-trace": "trace-1" } };
        line.results = await make(client, kind, name, options);
        line.expected = !mustFail.has(kind);
      } catch (error) {
        Object.assign(line, { ok: false, code: String(error.code), error: error.message, attempts: error.attempts });
        line.expected = mustFail.get(kind)?.(error) === true;
      }
      line.ms = performance.now() - began;
      good = good && line.expected;
      print(line);
    }
  }
  return good;
}
