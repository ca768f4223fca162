// What dubbo-go 3.3.2 and dubbo-java 3.3.6 do on the wire that gRPC does not, with Dubhe on the other side. Each step
// looks at the frames as they passed, so that it fails when a peer gives a habit up, and at what Dubhe makes of it.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { Code, createClient, createServer } from "dubhe";
import { GreetService } from "../dubhe/greet-with-absent.mjs";
import { EchoService } from "../gen/interop/echo/v1/echo_pb.js";
import { dubboGo, dubboJava } from "../lib/peers.mjs";
import { freePort } from "../lib/ports.mjs";
import { blocks, messages, startRecorder } from "../lib/recorder.mjs";
import { linesOf } from "../lib/verdicts.mjs";

export const title = "habits of dubbo-go and dubbo-java on the wire, seen on the wire, as providers and as consumers";

const GO = "dubbo-go 3.3.2";
const JAVA = "dubbo-java 3.3.6";

export async function run(trial) {
  const peers = { go: await dubboGo(), java: await dubboJava() };
  await goProvider(trial, await provider(trial, peers.go, GO, "go-habits"));
  await javaProvider(trial, await provider(trial, peers.java, JAVA, "java-habits"));
  const ours = await dubheProvider(trial);
  await goConsumer(trial, peers.go, ours);
  await javaConsumer(trial, peers.java, ours);
  await timeoutIsNoDeadline(trial, ours);
  await goWatcher(trial, peers.go, ours);
}

/** A peer's provider behind a recorder, and a client of it. */
async function provider(trial, binary, name, app) {
  const port = String(await freePort());
  const flags = ["--port", port, "--host", "127.0.0.1", "--app", app];
  const child = trial.start(`${name} provider`, binary, ["server", ...flags], { cwd: trial.folder() });
  await child.waitFor(/^READY/m, 90_000);
  const wire = await startRecorder(trial, Number(port));
  const clientOf = (service) => {
    const client = createClient(service, wire.url);
    trial.onEnd(() => client[Symbol.asyncDispose]());
    return client;
  };
  return { wire, greet: clientOf(GreetService), echo: clientOf(EchoService) };
}

async function goProvider(trial, { wire, greet }) {
  const peer = `${GO} provider`;
  const step = stepsOn(trial, wire);
  await step(peer, "says status 17 for a handler's error, in trailers", async () => {
    await fails(greet.greet({ name: "x", fail: "refused by request" }), 17, /^refused by request$/);
    const [headers, trailers, ...more] = blocks(wire.exchange("/Greet").down);
    assert.match(headers, /^HEADERS \d+ :status=200 /);
    assert.match(trailers, /^HEADERS \d+ END_STREAM /);
    assert.match(trailers, / grpc-status=17( |$)/);
    assert.deepEqual(more, []);
    return trailers;
  });
  await step(peer, "compresses each message by itself", async () => {
    const names = [];
    for await (const { greeting } of greet.greetServerStream({ name: "zip", count: 3 })) names.push(greeting);
    assert.deepEqual(names, Array(3).fill("hello zip"));
    const { down } = wire.exchange("/GreetServerStream");
    assert.match(blocks(down)[0], / grpc-encoding=gzip( |$)/);
    const sent = messages(down);
    assert.deepEqual(
      sent.map(({ compressed, payload }) => compressed && gunzipSync(payload).includes("hello zip")),
      [true, true, true],
    );
    return `${sent.length} messages of ${sent.map(({ payload }) => payload.length).join(", ")} bytes, each gzip`;
  });
  await step(peer, "answers an unknown method with a page of net/http", async () => {
    await fails(greet.noSuchMethod({}), Code.Unimplemented, /HTTP status 404/);
    const { down } = wire.exchange("/NoSuchMethod");
    const [page, ...more] = blocks(down);
    assert.match(page, /:status=404 content-type="text\/plain; charset=utf-8"/);
    assert.doesNotMatch(page, /grpc-status/);
    assert.deepEqual(more, []);
    assert.match(String(down.find(({ text }) => text.startsWith("DATA ")).payload), /^404 page not found/);
    return page;
  });
  await givesUp(step, peer, wire, greet);
  await attachments(step, peer, wire, greet);
}

async function javaProvider(trial, { wire, greet, echo }) {
  const peer = `${JAVA} provider`;
  const step = stepsOn(trial, wire);
  /** The answer is one block of headers, with HTTP's status and gRPC's. */
  const oneBlock = (path, http, grpc) => {
    const { down } = wire.exchange(path);
    assert.equal(messages(down).length, 0);
    const [block, ...more] = blocks(down);
    assert.match(block, new RegExp(`^HEADERS \\d+ END_STREAM .*:status=${http} .*grpc-status=${grpc}( |$)`));
    assert.deepEqual(more, []);
    return block;
  };
  await step(peer, "says a handler's error with HTTP 500 and grpc-status in one block", async () => {
    await fails(greet.greet({ name: "x", fail: "refused by request" }), Code.Unknown, /refused by request/);
    return oneBlock("/Greet", 500, 2);
  });
  await step(peer, "says a status so, too", async () => {
    await fails(greet.greet({ name: "x", fail: "bad argument", failCode: 3 }), Code.InvalidArgument, /bad argument/);
    return oneBlock("/Greet", 500, 3);
  });
  await step(peer, "stumbles over an unknown method: HTTP 500, UNKNOWN", async () => {
    await fails(greet.noSuchMethod({}), Code.Unknown, /"methodDescriptors" is null/);
    return oneBlock("/NoSuchMethod", 500, 2);
  });
  await step(peer, "answers an unknown service with HTTP 404 and grpc-status in one block", async () => {
    await fails(echo.unary({}), Code.Unimplemented, /not found/);
    return oneBlock("/Unary", 404, 12);
  });
  await givesUp(step, peer, wire, greet);
  await attachments(step, peer, wire, greet);
}

/** Neither tells of a deadline: it is who calls that gives up. */
function givesUp(step, peer, wire, greet) {
  return step(peer, "says nothing at a deadline: Dubhe resets the stream", async () => {
    await fails(greet.greet({ name: "slow", delayMs: 1_000 }, { timeoutMs: 200 }), Code.DeadlineExceeded, /./);
    // The handler is at its end by then, and what it returns is for nobody.
    await sleep(1_200);
    const { request, all } = wire.exchange("/Greet");
    assert.match(request, / grpc-timeout=\d{1,8}[mun]( |$)/);
    assert.doesNotMatch(request, / timeout=/);
    const told = all.filter(({ text }) => !text.startsWith("WINDOW_UPDATE "));
    assert.match(told.at(-1).text, /^RST_STREAM \d+ CANCEL$/);
    assert.equal(told.at(-1).from, "client");
    assert.deepEqual(blocks(told.filter(({ from }) => from === "server")), []);
    assert.equal((await greet.greet({ name: "next" })).greeting, "hello next");
    return `${told.at(-1).text}, and no answer`;
  });
}

function attachments(step, peer, wire, greet) {
  return step(peer, "has attachments as header fields, and gives them as trailers", async () => {
    let trailers;
    const options = { headers: { "peer-trace": "trace-1", "peer-two": "2" }, onTrailers: (all) => (trailers = all) };
    const response = await greet.greet({ name: "x" }, options);
    assert.deepEqual({ ...response.attachments }, { "peer-trace": "trace-1", "peer-two": "2" });
    assert.equal(trailers.get("peer-answer"), "answer-1");
    const { request, down } = wire.exchange("/Greet");
    assert.match(request, / peer-trace=trace-1( |$)/);
    const last = blocks(down).at(-1);
    assert.match(last, / peer-answer=answer-1( |$)/);
    return last;
  });
}

/** Dubhe serves behind a recorder, and notes what it knows of each call. */
async function dubheProvider(trial) {
  const seen = [];
  const note = (context) => {
    const call = { timeout: context.requestHeaders.get("timeout"), timeoutMs: context.timeoutMs(), aborted: false };
    context.signal.addEventListener("abort", () => {
      call.aborted = true;
    });
    seen.push(call);
  };
  const attached = ({ requestHeaders, responseTrailers }) => {
    responseTrailers.set("peer-answer", "answer-1");
    return Object.fromEntries([...requestHeaders].filter(([name]) => name.startsWith("peer-")));
  };
  const server = createServer({ listen: "127.0.0.1:0" });
  server.add(GreetService, {
    async greet({ name, delayMs }, context) {
      note(context);
      if (delayMs > 0) await sleep(delayMs, undefined, { signal: context.signal });
      return { greeting: `hello ${name}`, peer: "dubhe", attachments: attached(context) };
    },
    async *greetServerStream({ name }, context) {
      note(context);
      for (let index = 0; index < 3; index++) {
        // 1.2 s in all: more than the `timeout` of who asks.
        await sleep(400, undefined, { signal: context.signal });
        yield { greeting: `hello ${name}`, peer: "dubhe", index, attachments: attached(context) };
      }
    },
  });
  await server.start();
  trial.onEnd(() => server.close());
  const wire = await startRecorder(trial, Number(server.address.split(":").at(-1)));
  return { server, wire, seen };
}

/** A peer's client makes these calls, with a timeout of 1 s; its lines. */
function calls(trial, binary, name, wire, ...kinds) {
  const flags = ["--url", wire.url, "--timeout", "1s", "--calls", kinds.join(",")];
  const child = trial.start(`${name} consumer`, binary, ["client", ...flags], { cwd: trial.folder() });
  return linesOf(child, kinds);
}

async function goConsumer(trial, binary, { wire, seen }) {
  const peer = `${GO} consumer`;
  const step = stepsOn(trial, wire, seen);
  await step(peer, "sends attachments as header fields, and its `timeout` is one of them, not a deadline", async () => {
    const [unary, stream] = await calls(trial, binary, GO, wire, "unary", "server-stream");
    assert.equal(unary.results[0].attachments["peer-trace"], "trace-1");
    assert.equal(stream.results.length, 3);
    assert.ok(stream.ms > 1_100, `${stream.ms} ms`);
    const requests = [wire.exchange("/Greet").request, wire.exchange("/GreetServerStream").request];
    for (const request of requests) {
      assert.match(request, / timeout=1s( |$)/);
      assert.match(request, / interface=greet\.GreetService( |$)/);
      assert.match(request, / peer-trace=trace-1( |$)/);
      assert.match(request, / grpc-timeout=\d+u( |$)/);
    }
    assert.match(blocks(wire.exchange("/Greet").down).at(-1), / peer-answer=answer-1( |$)/);
    const [first, second] = seen;
    assert.deepEqual([first.timeout, second.timeout], ["1s", "1s"]);
    assert.ok(first.timeoutMs > 500 && first.timeoutMs <= 1_000, `${first.timeoutMs}`);
    // Its stream has a deadline of 6 s, by grpc-timeout.
    assert.ok(second.timeoutMs > 5_000, `${second.timeoutMs}`);
    return [...requests, `deadlines in ${first.timeoutMs.toFixed(0)} and ${second.timeoutMs.toFixed(0)} ms`];
  });
  await step(peer, "resets the stream at its deadline: the handler is told, and the connection goes on", async () => {
    // By grpc-timeout Dubhe has the same deadline: within a clock's tick its status may be first, or cross the reset.
    for (let left = 5; ; left--) {
      const { down, reset } = await pastDeadline(trial, binary, GO, { wire, seen });
      const answers = blocks(down);
      if (answers.length > 0) assert.match(answers.join("\n"), /^HEADERS \d+ END_STREAM .* grpc-status=4 [^\n]*$/);
      if (reset === undefined && left > 1) continue;
      assert.match(reset ?? "no reset", /^RST_STREAM \d+ CANCEL$/);
      return [reset, ...answers];
    }
  });
  await step(peer, "understands UNIMPLEMENTED for an unknown method", async () => {
    const [line] = await calls(trial, binary, GO, wire, "unknown-method");
    assert.equal(line.code, "unimplemented");
    return blocks(wire.exchange("/NoSuchMethod").down).at(-1);
  });
}

async function javaConsumer(trial, binary, { wire, seen }) {
  const peer = `${JAVA} consumer`;
  const step = stepsOn(trial, wire, seen);
  await step(peer, "sends attachments as header fields, gets trailers, and its `timeout` is no deadline", async () => {
    const [unary, stream] = await calls(trial, binary, JAVA, wire, "unary", "server-stream");
    assert.equal(unary.results[0].attachments["peer-trace"], "trace-1");
    assert.equal(unary.answer, "answer-1");
    assert.equal(stream.results.length, 3);
    assert.ok(stream.ms > 1_100, `${stream.ms} ms`);
    const requests = [wire.exchange("/Greet").request, wire.exchange("/GreetServerStream").request];
    assert.match(requests[0], / timeout=1000( |$)/);
    assert.match(requests[0], / grpc-timeout=\d+u( |$)/);
    assert.doesNotMatch(requests[1], / grpc-timeout=/);
    const [first, second] = seen;
    assert.equal(first.timeout, "1000");
    assert.ok(first.timeoutMs > 500 && first.timeoutMs <= 1_000, `${first.timeoutMs}`);
    assert.equal(second.timeoutMs, undefined);
    return requests;
  });
  await step(peer, "leaves the stream open at its deadline: Dubhe's status is its end", async () => {
    const { down, reset } = await pastDeadline(trial, binary, JAVA, { wire, seen });
    assert.equal(reset, undefined);
    const [status, ...more] = blocks(down);
    assert.match(status ?? "no status", /^HEADERS \d+ END_STREAM .*:status=200 .*grpc-status=4 /);
    assert.deepEqual(more, []);
    return status;
  });
  await step(peer, "understands UNIMPLEMENTED for an unknown method", async () => {
    const [line] = await calls(trial, binary, JAVA, wire, "unknown-method");
    assert.equal(line.code, "unimplemented");
    return blocks(wire.exchange("/NoSuchMethod").down).at(-1);
  });
}

/** A header of this name alone is nobody's deadline, in either's form. */
async function timeoutIsNoDeadline(trial, { wire, seen }) {
  const step = stepsOn(trial, wire, seen);
  await step("dubhe provider", "takes `timeout` without grpc-timeout for no deadline", async () => {
    const client = createClient(GreetService, wire.url, { timeoutMs: Number.POSITIVE_INFINITY });
    const forms = ["1", "1ms", "20", "1s", "soon"];
    for (const timeout of forms) await client.greet({ name: "x", delayMs: 50 }, { headers: { timeout } });
    await client[Symbol.asyncDispose]();
    for (const { request } of wire.exchanges("/Greet")) assert.doesNotMatch(request, /grpc-timeout/);
    assert.deepEqual(
      seen.map(({ timeout, timeoutMs }) => [timeout, timeoutMs]),
      forms.map((form) => [form, undefined]),
    );
    return `calls of 50 ms with timeout ${forms.join(", ")}`;
  });
}

/**
 * A call that ends at its deadline, and a stream of 1.2 s, in which what is late may still come: Dubhe counts from the
 * request's arrival. The frames of the first.
 */
async function pastDeadline(trial, binary, name, { wire, seen }) {
  wire.forget();
  seen.length = 0;
  const [line] = await calls(trial, binary, name, wire, "deadline", "server-stream");
  assert.equal(line.code, "deadline_exceeded");
  const first = wire.exchange("/Greet");
  assert.match(blocks(wire.exchange("/GreetServerStream").down).at(-1), / grpc-status=0( |$)/);
  assert.deepEqual(
    seen.map(({ aborted }) => aborted),
    [true, false],
  );
  return { ...first, reset: first.up.find(({ text }) => text.startsWith("RST_STREAM "))?.text };
}

async function goWatcher(trial, binary, { server, wire, seen }) {
  const step = stepsOn(trial, wire, seen);
  await step(`${GO} consumer`, "watches the service's health on each connection, to its end", async () => {
    const start = () =>
      trial.start(`${GO} watching`, binary, ["client", "--url", wire.url, "--loop"], {
        cwd: trial.folder(),
        input: "pipe",
      });
    const clients = [start(), start()];
    const connectionsOf = (path) => wire.exchanges(path).map(({ connection }) => connection);
    const watches = () => wire.exchanges("/grpc\\.health\\.v1\\.Health/Watch");
    const told = () => watches().map(({ down }) => messages(down).map(({ payload }) => payload.toString("hex")));
    const called = () => [...new Set(connectionsOf("/Greet"))].sort();
    await until(() => called().length === 2 && told().length >= 2 && told().flat().length >= 2);
    assert.deepEqual(
      watches()
        .map(({ connection }) => connection)
        .sort(),
      called(),
    );
    for (const { up } of watches()) assert.equal(String(messages(up)[0].payload.subarray(2)), "greet.GreetService");
    assert.deepEqual(told(), [["0801"], ["0801"]]);
    const closed = server.close();
    await until(() => told().flat().length === 4);
    assert.deepEqual(told(), Array(2).fill(["0801", "0802"]));
    for (const { process } of clients) process.stdin.end();
    await closed;
    return [...watches().map(({ request }) => request), "told SERVING, then NOT_SERVING"];
  });
}

async function until(condition, timeoutMs = 15_000) {
  for (const end = Date.now() + timeoutMs; !condition(); ) {
    if (Date.now() > end) throw new Error(`not within ${timeoutMs} ms: ${condition}`);
    await sleep(10);
  }
}

/** Steps that begin with a clean record, and show it when they fail. */
function stepsOn(trial, wire, seen = []) {
  return (peer, name, fn) => {
    wire.forget();
    seen.length = 0;
    return trial.step(peer, name, async () => {
      try {
        return await fn();
      } catch (error) {
        throw new Error(`${error.message}\non the wire:\n${wire.exchanges("\\S*").join("\n--\n")}`, { cause: error });
      }
    });
  };
}

async function fails(call, code, message) {
  let failure;
  await call.catch((error) => {
    failure = error;
  });
  assert.ok(failure !== undefined, "the call succeeded");
  assert.equal(failure.code, code, failure.message);
  assert.match(failure.rawMessage, message);
  assert.equal(failure.attempts.length, 1, "it was called again");
}
