import assert from "node:assert/strict";
import { test } from "node:test";
import { leakCheck } from "@dubhe/testing";
import { checkNode } from "./doctor.js";
import { dubhe, filledRegistry, memoryUrl } from "./test-support/bench.js";

test("a healthy machine and registry: what is there, and what is mapped to nobody", async (t) => {
  leakCheck(t);
  const url = memoryUrl();
  await using filled = await filledRegistry(url, {
    services: [{ name: "greet.GreetService" }],
    mapped: ["greet.GreetService"],
  });
  const entry = filled.registry.mapping.add("greet.GreetService", "gone");
  await entry.state.until((state) => state === "confirmed");
  const { code, out, err } = await dubhe(["doctor", "-r", url]);
  assert.deepEqual([code, err], [0, ""]);
  assert.match(out, new RegExp(`^This machine\n  ✓ Node\\.js ${process.versions.node}\n`));
  assert.match(out, / {2}✓ a server would advertise 127\.0\.0\.1\n/);
  assert.equal(
    out.slice(out.indexOf("Registry ")),
    `Registry ${url}
  ✓ its protocol is spoken and lets us in (N ms)
  ✓ a consumer finds 1 application, 1 instance, 1 service
  ! mapped, but without instances: gone`,
  );
});

test("with a service it goes on as explain does, and its exit code says both", async () => {
  const url = memoryUrl();
  const { code, out } = await dubhe(["doctor", "a.B", "-r", url]);
  assert.equal(code, 1);
  assert.match(out, /✗ a\.B over tri cannot be called\. First wrong: mapping\n/);
  const { out: json } = await dubhe(["doctor", "a.B", "-r", url, "--json"]);
  const document = JSON.parse(json) as {
    healthy: boolean;
    checks: { mark: string }[];
    explanation: { callable: boolean };
  };
  assert.deepEqual([document.healthy, document.explanation.callable], [false, false]);
  assert.ok(document.checks.every(({ mark }) => mark !== "wrong"));
});

test("a registry that cannot be reached", async () => {
  const { code, out } = await dubhe([
    "doctor",
    "-r",
    "nacos://user:s3cret@127.0.0.1:1?grpc-port=2",
    "--timeout",
    "300ms",
  ]);
  assert.equal(code, 1);
  assert.match(
    out,
    /Registry nacos:\/\/127\.0\.0\.1:1\/public\/DEFAULT_GROUP\n {2}✗ port 2 of 127\.0\.0\.1 refuses connections: nobody listens there\n {2}✗ cannot be used: /,
  );
  assert.doesNotMatch(out, /s3cret/);
});

test("what a server would advertise comes from the environment, if it says so", async () => {
  const url = memoryUrl();
  const { out } = await dubhe(["doctor", "-r", url], { env: { DUBBO_IP_TO_REGISTRY: "10.1.2.3" } });
  assert.match(out, /✓ a server would advertise 10\.1\.2\.3 \(DUBBO_IP_TO_REGISTRY\)/);
  const { code, out: wrong } = await dubhe(["doctor", "-r", url], { env: { DUBBO_PORT_TO_REGISTRY: "x" } });
  assert.equal(code, 1);
  assert.match(wrong, /✗ DUBBO_PORT_TO_REGISTRY: a port is 0 to 65535, not "x"/);
});

test("a Node.js that is too old", () => {
  const said: string[] = [];
  for (const version of ["18.20.0", "20.18.3", "20.19.0", "22.0.0"])
    checkNode(version, (_about, mark, text) => said.push(`${mark} ${text}`));
  assert.deepEqual(said, [
    "wrong Node.js 18.20.0 is too old: Dubhe needs 20.19 or later",
    "wrong Node.js 20.18.3 is too old: Dubhe needs 20.19 or later",
    "ok Node.js 20.19.0",
    "ok Node.js 22.0.0",
  ]);
});
