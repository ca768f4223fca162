// The drivers' own tools: a failure of theirs must not look like a failure of a peer.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { connect, createServer } from "node:http2";
import { test } from "node:test";
import { Child, run } from "../../scripts/lib/child.mjs";
import { assertSame, crc32, pattern } from "./pattern.mjs";
import { startTap } from "./tap.mjs";
import { StepFailed, Trial } from "./trial.mjs";

test("a payload that differs is described by position and bytes", () => {
  const want = pattern(3, 70_000);
  assertSame(pattern(3, 70_000), want, "same");
  const got = pattern(3, 70_000);
  got[65_536] ^= 1;
  assert.throws(
    () => assertSame(got, want, "message 3"),
    /message 3: payload differs at byte 65536: got 70000 bytes \[…[0-9a-f]{32}…\]/,
  );
  assert.throws(() => assertSame(want.subarray(0, 10), want, "short"), /differs at byte 10: got 10 bytes/);
});

test("CRC-32 agrees with the standard's check value, whole and in parts", () => {
  const bytes = new TextEncoder().encode("123456789");
  assert.equal(crc32(bytes), 0xcbf43926);
  assert.equal(crc32(bytes.subarray(4), crc32(bytes.subarray(0, 4))), 0xcbf43926);
});

test("a tap relays all bytes and remembers the frames", async () => {
  const server = createServer((request, response) => request.pipe(response));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const tap = await startTap("test", { port: server.address().port });
  const session = connect(`http://127.0.0.1:${tap.port}`);
  const sent = pattern(1, 300_000);
  const stream = session.request({ ":method": "POST" });
  stream.end(sent);
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  assertSame(Buffer.concat(chunks), sent, "relayed");
  session.close();
  tap.close();
  server.close();
  const dump = tap.dump();
  assert.match(dump, /client → server: \d{6} bytes/);
  assert.match(dump, /DATA stream=1 flags=0x1 length=\d+/);
  assert.match(dump, /last bytes:\n {6}[0-9a-f]{64}/);
});

test("a step that fails names the peer, the step and what the peer said", async () => {
  const trial = new Trial();
  const child = trial.start("talker", process.execPath, [
    "-e",
    "console.log('I saw 0xbeef'); setInterval(() => {}, 1000)",
  ]);
  await child.waitFor(/0xbeef/, 10_000);
  const failing = trial.step("talker", "is asked", () => {
    throw new Error("no answer");
  });
  await assert.rejects(
    failing,
    (error) => error instanceof StepFailed && error.peer === "talker" && error.step === "is asked",
  );
  assert.match(trial.evidence(), /talker stdout:\n {4}\| I saw 0xbeef/);
  await trial.close();
  assert.notEqual(child.end, undefined, "the child ended with the trial");
});

test("a child that ends or stays silent fails the wait, and a budget stops one that hangs", async () => {
  const quick = new Child("quick", process.execPath, ["-e", "process.exit(3)"]);
  await assert.rejects(quick.waitFor(/READY/, 10_000), /quick ended \(exit 3\)/);
  const silent = new Child("silent", process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
  await assert.rejects(silent.waitFor(/READY/, 50), /silent did not say/);
  assert.equal((await silent.wait(50)).signal, "SIGTERM");
  await assert.rejects(
    run("failing", process.execPath, ["-e", "console.error('why'); process.exit(1)"]),
    /failing failed \(exit 1\)[\s\S]*why/,
  );
});

test("Dubhe and the dubbo peers are generated from the same greet.proto", () => {
  const read = (path) => readFileSync(new URL(path, import.meta.url), "utf8");
  assert.equal(read("../proto/greet.proto"), read("../peers/dubbo-go/proto/greet.proto"));
});
