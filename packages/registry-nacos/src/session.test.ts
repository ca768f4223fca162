import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "@dubhe/concurrency";
import { testRuntime } from "@dubhe/testing";
import { Login, NacosLoginError, type PostForm } from "./login.js";
import { NacosSession, type SessionOptions } from "./session.js";
import { MemoryNetwork } from "./test-support/memory-network.js";
import type { ServerAddress } from "./transport.js";

const a: ServerAddress = { host: "a", httpPort: 8848, grpcPort: 9848 };
const b: ServerAddress = { host: "b", httpPort: 8848, grpcPort: 9848 };

function bench(options: Partial<SessionOptions> = {}, post?: PostForm) {
  const { runtime, clock, reports } = testRuntime();
  const network = new MemoryNetwork(runtime);
  const login =
    post === undefined ? undefined : new Login(runtime, { username: "nacos", password: "s3cret" }, "/nacos", post);
  const session = new NacosSession(runtime, {
    transport: network,
    servers: [a],
    login,
    timeoutMs: 3_000,
    clientVersion: "test",
    tenant: "",
    labels: {},
    ...options,
  });
  const log: string[] = [];
  session.addObserver({
    onUp: (epoch) => log.push(`up ${epoch}`),
    onDown: (error) => log.push(`down ${error.message}`),
  });
  const state = (): string => session.state.value.kind;
  const close = async (): Promise<void> => {
    const closed = session.close();
    await clock.advance(2_000);
    await closed;
    network.kill(a);
    network.kill(b);
    assert.equal(clock.pendingTimers, 0);
    assert.deepEqual(reports, []);
  };
  return { runtime, clock, network, session, log, state, close };
}

test("the handshake waits for SetupAck, and then requests are answered", async () => {
  const { clock, network, session, state, close } = bench();
  network.start(a);
  session.start();
  await clock.advance(100);
  assert.equal(state(), "up");
  assert.deepEqual(network.requests, ["ServerCheckRequest"]);
  const answer = session.request("HealthCheckRequest", {});
  await clock.advance(10);
  assert.equal((await answer).success, true);
  await close();
});

test("a server that does not negotiate abilities is probed until it knows the connection", async () => {
  const { clock, network, session, state, close } = bench();
  network.corrupt = (type, body) =>
    type === "ServerCheckResponse" ? { ...body, supportAbilityNegotiation: false } : body;
  let refusals = 3;
  network.fault = (type) => {
    if (type !== "HealthCheckRequest" || refusals-- <= 0) return undefined;
    return {
      type: "ErrorResponse",
      body: { resultCode: 500, errorCode: 301, message: "Connection is unregistered.", success: false },
    };
  };
  network.start(a);
  session.start();
  await clock.advance(500);
  assert.equal(state(), "up");
  assert.equal(network.requests.filter((type) => type === "HealthCheckRequest").length, 4);
  await close();
});

test("a server that starts is asked again each second", async () => {
  const { clock, network, session, state, close } = bench();
  network.start(a, { startingMs: 2_500 });
  session.start();
  await clock.advance(2_400);
  assert.equal(state(), "connecting");
  await clock.advance(1_000);
  assert.equal(state(), "up");
  assert.equal(network.connects, 1, "on one connection");
  await close();
});

test("a setup that is never acknowledged fails after 3 s, with a reason, and is tried again", async () => {
  const { clock, network, session, log, state, close } = bench();
  let lost = 0;
  network.dropPush = (type) => type === "SetupAckRequest" && lost++ < 2;
  network.start(a);
  session.start();
  await clock.advance(20_000);
  assert.equal(state(), "up");
  assert.match(log[0] ?? "", /down a:9848: the server did not acknowledge the connection's setup within 3000 ms/);
  assert.equal(log.at(-1), "up 1");
  await close();
});

test("an unreachable server is tried for ever, with growing pauses", async () => {
  const { clock, network, session, log, state, close } = bench();
  session.start();
  await clock.advance(60_000);
  assert.ok(network.connects > 5 && network.connects < 40, `${network.connects} attempts in a minute`);
  assert.match(log[0] ?? "", /down connect ECONNREFUSED a:9848/);
  assert.equal(state(), "waiting");
  await assert.rejects(session.request("X", {}), /no session with Nacos: connect ECONNREFUSED a:9848/);
  network.start(a);
  await clock.advance(10_500);
  assert.equal(state(), "up");
  await close();
});

test("of several servers the next is tried when one fails", async () => {
  const { clock, network, session, state, close } = bench({ servers: [a, b] });
  network.start(b);
  session.start();
  await clock.advance(2_000);
  assert.equal(state(), "up");
  network.kill(b);
  network.start(a);
  await clock.advance(2_000);
  const { value } = session.state;
  assert.ok(value.kind === "up" && value.server === "a:9848" && value.epoch === 2);
  await close();
});

test("a lost connection is a new epoch, and the server gets rid of the old one", async () => {
  const { clock, network, session, log, close } = bench();
  network.start(a);
  session.start();
  await clock.advance(10_000);
  const { lost } = session;
  network.breakLinks(a);
  await clock.settle();
  assert.equal(lost.aborted, true);
  assert.match(log[1] ?? "", /down a:9848: ECONNRESET/);
  await clock.advance(1_000);
  assert.deepEqual(
    log.filter((line) => line.startsWith("up")),
    ["up 1", "up 2"],
  );
  assert.equal(network.linksOf(a), 1);
  await close();
});

test("a silent session is probed every 5 s; a frozen server is given up after two probes", async () => {
  const { clock, network, session, log, close } = bench({ servers: [a, b] });
  network.start(a);
  network.start(b);
  session.start();
  await clock.advance(21_000);
  const probes = network.requests.filter((type) => type === "HealthCheckRequest").length;
  assert.ok(probes === 3 || probes === 4, `${probes} probes`);
  const { value } = session.state;
  assert.ok(value.kind === "up");
  const [used, other] = value.server === "a:9848" ? [a, b] : [b, a];
  network.freeze(used, true);
  await clock.advance(10_500);
  assert.match(log[1] ?? "", /does not answer health checks/);
  const now = session.state.value;
  assert.ok(now.kind === "up" && now.server === `${other.host}:9848`);
  await close();
});

test("one late answer to a health check is forgiven: it was our main thread that stood still", async () => {
  const { clock, network, session, log, close } = bench();
  network.start(a);
  session.start();
  await clock.advance(4_000);
  let slow = 1;
  network.fault = (type) => (type === "HealthCheckRequest" && slow-- > 0 ? "drop" : undefined);
  await clock.advance(30_000);
  assert.deepEqual(log, ["up 1"]);
  await close();
});

test("a server that does not know the connection any more gets a new one", async () => {
  for (const errorCode of [301, -401]) {
    const { clock, network, session, log, close } = bench();
    network.start(a);
    session.start();
    await clock.advance(6_000);
    network.fault = (type) =>
      type === "X"
        ? { type: "ErrorResponse", body: { resultCode: 500, errorCode, message: "who?", success: false } }
        : undefined;
    const refused = assert.rejects(session.request("X", {}), /Nacos refused X: who\?/);
    await clock.advance(2_000);
    await refused;
    assert.deepEqual(
      log.filter((line) => line.startsWith("up")),
      ["up 1", "up 2"],
    );
    await close();
  }
});

test("ConnectReset moves the session to the server that it names, at once", async () => {
  const { clock, network, session, log, close } = bench();
  network.start(a);
  network.start(b);
  session.start();
  await clock.advance(6_000);
  network.push(a, "ConnectResetRequest", { requestId: "9", serverIp: "b", serverPort: "8848" });
  await clock.advance(50);
  const { value } = session.state;
  assert.ok(value.kind === "up" && value.server === "b:9848", JSON.stringify(value));
  assert.equal(network.linksOf(a), 0);
  assert.equal(log.filter((line) => line.startsWith("up")).length, 2);
  await close();
});

test("pushes reach their handler, in order, and only of the present session", async () => {
  const { clock, network, session, close } = bench();
  const seen: unknown[] = [];
  session.onPush("NotifySubscriberRequest", (body) => seen.push(body.n));
  network.start(a);
  session.start();
  await clock.advance(100);
  for (const n of [1, 2, 3]) network.push(a, "NotifySubscriberRequest", { n, requestId: String(n) });
  await clock.advance(10);
  assert.deepEqual(seen, [1, 2, 3]);
  await close();
});

const token = (accessToken: string, tokenTtl: number): { status: number; body: string } => ({
  status: 200,
  body: JSON.stringify({ accessToken, tokenTtl }),
});

test("every request carries the token, which is renewed when 90 % of its time is over", async () => {
  let logins = 0;
  const { clock, network, session, close } = bench({}, async (_server, path, form) => {
    assert.equal(path, "/nacos/v3/auth/user/login");
    assert.equal(form, "username=nacos&password=s3cret");
    return token(`t${++logins}`, 100);
  });
  const tokens: (string | undefined)[] = [];
  network.observe = (_type, headers) => tokens.push(headers.accessToken);
  network.start(a);
  session.start();
  await clock.advance(89_000);
  assert.equal(logins, 1);
  assert.ok(tokens.length > 3);
  assert.deepEqual([...new Set(tokens)], ["t1"]);
  await clock.advance(2_000);
  assert.equal(logins, 2);
  tokens.length = 0;
  await clock.advance(10_000);
  assert.deepEqual([...new Set(tokens)], ["t2"]);
  await close();
});

test("a 403 is answered by one new login and one more try, however many requests get it", async () => {
  let logins = 0;
  const { clock, network, session, close } = bench({}, async () => token(`t${++logins}`, 18_000));
  let valid: string = "t1";
  let current = "";
  network.observe = (_type, headers) => {
    current = headers.accessToken ?? "";
  };
  network.fault = (type) => {
    if (type !== "ConfigQueryRequest" || current === valid) return undefined;
    return {
      type: "ErrorResponse",
      body: { resultCode: 500, errorCode: 403, message: "token expired", success: false },
    };
  };
  network.start(a);
  session.start();
  await clock.advance(20_000);
  valid = "t2";
  const answers = [1, 2, 3].map((n) =>
    session
      .request("ConfigQueryRequest", { group: "g", dataId: `d${n}` })
      .then(undefined, (error: Error) => error.message),
  );
  await clock.advance(100);
  for (const answer of await Promise.all(answers)) assert.match(String(answer), /config data not exist/);
  assert.equal(logins, 2);
  // One signal may govern any number of reads.
  const warnings: Error[] = [];
  const warn = (warning: Error): number => warnings.push(warning);
  process.on("warning", warn);
  await clock.advance(20_000);
  valid = `t${logins + 1}`;
  const { signal } = new AbortController();
  const many = Array.from({ length: 30 }, (_, n) =>
    session
      .request("ConfigQueryRequest", { group: "g", dataId: `d${n}` }, signal)
      .then(undefined, (error: Error) => error.message),
  );
  await clock.advance(100);
  for (const answer of await Promise.all(many)) assert.match(String(answer), /config data not exist/);
  await new Promise<void>((resolve) => void systemClock.nextTurn(resolve));
  process.off("warning", warn);
  assert.deepEqual(warnings, []);
  logins = 2;
  await clock.advance(20_000);
  valid = "never";
  for (let n = 0; n < 50; n++) {
    const refused = assert.rejects(session.request("ConfigQueryRequest", { group: "g", dataId: "d" }), /token expired/);
    await clock.advance(1_000);
    await refused;
  }
  assert.ok(logins > 4 && logins <= 7, `a login each 10 s at most; there were ${logins} in 50 s`);
  await close();
});

test("wrong credentials are an error that names the user, never the password, and right ones heal it", async () => {
  let right = false;
  const { clock, network, session, log, state, close } = bench({}, async (_server, _path, form) => {
    if (right) return token("t", 18_000);
    return { status: 500, body: `user not found for ${form.slice(form.indexOf("password=") + 9)}` };
  });
  network.start(a);
  session.start();
  await clock.advance(1_000);
  assert.match(
    log[0] ?? "",
    /login of nacos at a:8848 was refused \(HTTP 500: user not found for \*\*\*\); check user name and password/,
  );
  assert.ok(session.lastError?.cause instanceof NacosLoginError || session.lastError instanceof NacosLoginError);
  assert.equal(network.connects, 0, "nothing is told to a server before the login");
  right = true;
  await clock.advance(11_000);
  assert.equal(state(), "up");
  await close();
});

test("servers before 3 know only the old login", async () => {
  const paths: string[] = [];
  const { clock, network, session, state, close } = bench({}, async (_server, path) => {
    paths.push(path);
    return path.includes("/v3/") ? { status: 404, body: "" } : token("t", 18_000);
  });
  network.start(a);
  session.start();
  await clock.advance(100);
  assert.equal(state(), "up");
  assert.deepEqual(paths, ["/nacos/v3/auth/user/login", "/nacos/v1/auth/login"]);
  await close();
});

test("close ends it in every state, and leaves nothing", async () => {
  const unreachable = bench();
  unreachable.session.start();
  await unreachable.clock.advance(5_000);
  assert.equal(unreachable.state(), "waiting");
  await unreachable.close();

  const connecting = bench();
  connecting.network.latencyMs = 1_000;
  connecting.session.start();
  await connecting.clock.advance(500);
  assert.equal(connecting.state(), "connecting");
  await connecting.close();

  const shaking = bench();
  shaking.network.start(a, { startingMs: 60_000 });
  shaking.session.start();
  await shaking.clock.advance(5_000);
  assert.equal(shaking.state(), "connecting");
  await shaking.close();
  assert.equal(shaking.network.linksOf(a), 0);

  const up = bench();
  up.network.start(a);
  up.session.start();
  await up.clock.advance(100);
  const waiting = assert.rejects(up.session.request("FooRequest", {}));
  await up.close();
  await waiting;
  assert.equal(up.state(), "closed");
  await assert.rejects(up.session.request("X", {}), /the registry is closed/);

  const never = bench();
  await never.close();
});
