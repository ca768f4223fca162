// The calls of the greet peers, made by Dubhe; each gives the results that the peers' clients print.

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

const mustFail = new Map([
  ["error", (error) => error.rawMessage.includes("refused by request")],
  ["coded-error", (error) => error.code === 3 && error.rawMessage.includes("bad argument")],
  ["deadline", (error) => error.code === 4],
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
