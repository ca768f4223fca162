import assert from "node:assert/strict";
import { test } from "node:test";
import { createRuntime } from "@dubhe/concurrency";
import { createRpcEnvironment, RpcServer } from "@dubhe/rpc";
import { freePort } from "../test-support/free-port.js";
import { describeHolder, findPortHolder } from "./port-holder.js";

test("who listens on a port is named, where the system tells", async () => {
  const port = await freePort();
  const nobody = await findPortHolder(port);
  assert.ok(nobody === "nobody" || process.platform !== "linux");
  const server = new RpcServer(createRpcEnvironment(createRuntime()));
  await server.listen({ host: "127.0.0.1", port });
  const holder = await findPortHolder(port);
  await server.close({ graceMs: 0 });
  if (process.platform !== "linux") return assert.equal(holder, undefined);
  assert.ok(holder !== undefined && holder !== "nobody");
  assert.equal(holder.pid, process.pid);
  assert.match(describeHolder(holder), new RegExp(`^process ${process.pid} \\(.+\\)$`));
});
