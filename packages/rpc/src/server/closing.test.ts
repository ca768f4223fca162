import assert from "node:assert/strict";
import { test } from "node:test";
import { testRuntime } from "@dubhe/testing";
import { createRpcEnvironment } from "../environment.js";
import { RpcServer } from "./rpc-server.js";

test("what wants to know of the closing is told once, when it begins; one that throws is reported and stops nobody", async () => {
  const { runtime, reports } = testRuntime();
  const server = new RpcServer(createRpcEnvironment(runtime));
  const told: string[] = [];
  server.onClosing(() => {
    throw new Error("not now");
  });
  server.onClosing(() => told.push("told"));
  const closed = server.close({ graceMs: 60_000 });
  assert.deepEqual(told, ["told"]);
  await closed;
  await server.close();
  assert.deepEqual(told, ["told"]);
  assert.deepEqual(
    reports.map(({ error, where }) => [(error as Error).message, where]),
    [["not now", "onClosing of a server"]],
  );
});
