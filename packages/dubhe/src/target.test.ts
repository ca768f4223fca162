import assert from "node:assert/strict";
import { test } from "node:test";
import { parseTarget } from "./target.js";

for (const [text, target] of [
  ["tri://10.0.0.1:50051", { host: "10.0.0.1", port: 50051 }],
  ["tri://127.0.0.1:80", { host: "127.0.0.1", port: 80 }],
  ["http://example.com", { host: "example.com", port: 80 }],
  ["https://example.com", { host: "example.com", port: 443, tls: {} }],
  ["https://example.com:8443/", { host: "example.com", port: 8443, tls: {} }],
  ["tri://[::1]:50051", { host: "::1", port: 50051 }],
  ["unix:/run/greet.sock", { path: "/run/greet.sock" }],
  ["unix:///run/greet.sock", { path: "/run/greet.sock" }],
  ["unix:greet.sock", { path: "greet.sock" }],
] as const) {
  test(`${text} is a target`, () => assert.deepEqual(parseTarget(text), target));
}

test("tri:// is over TLS when TLS options are given", () => {
  assert.deepEqual(parseTarget("tri://a:1", { tls: { rejectUnauthorized: false } }), {
    host: "a",
    port: 1,
    tls: { rejectUnauthorized: false },
  });
});

test("https:// is verified as the App says, unless the client says otherwise", () => {
  const [ofApp, own] = [{ tls: { ca: "app" } }, { tls: { ca: "own" } }];
  assert.deepEqual(parseTarget("https://a", undefined, ofApp), { host: "a", port: 443, ...ofApp });
  assert.deepEqual(parseTarget("https://a", own, ofApp), { host: "a", port: 443, ...own });
  assert.deepEqual(parseTarget("tri://a:1", undefined, ofApp), { host: "a", port: 1 });
});

test("the server name of TLS is of the target, so that it tells connections apart", () => {
  assert.deepEqual(parseTarget("https://10.0.0.1:1", { tls: {}, servername: "a.example" }), {
    host: "10.0.0.1",
    port: 1,
    tls: {},
    servername: "a.example",
  });
});

for (const [text, says] of [
  ["10.0.0.1:50051", /tri:\/\/10.0.0.1:50051/],
  ["localhost:50051", /Did you mean "tri:\/\/localhost:50051"/],
  ["trj://a:1", /Did you mean "tri"/],
  ["dubbo://a:20880", /tri, http, https, unix/],
  ["tri://host", /has no port/],
  ["tri://", /is no target/],
  ["tri://a:1/path", /must end after the port/],
  ["tri://a:1?timeout=5", /must end after the port/],
  ["tri://u:p@a:1", /takes no user name/],
  ["unix:", /no path/],
  ["unix://greet.sock", /has a host; write unix:\/greet\.sock, or unix:greet\.sock/],
] as const) {
  test(`"${text}" is refused with what to write instead`, () => {
    assert.throws(
      () => parseTarget(text),
      (e: unknown) => e instanceof TypeError && says.test(e.message) && !e.message.includes("u:p"),
    );
  });
}
