// The client under test. Reads ClientCompatRequests from stdin, makes each call, and writes a ClientCompatResponse for each
// to stdout, in the order in which the calls end. All calls share the connections of one App.
import { create } from "@bufbuild/protobuf";
import { createApp } from "dubhe";
import { makeCall } from "./calls.mjs";
import {
  ClientCompatRequestSchema,
  ClientCompatResponseSchema,
} from "./gen/connectrpc/conformance/v1/client_compat_pb.js";
import { readMessages, writeMessage } from "./lib/delimited.mjs";

/** Calls at a time. Most only wait, but a late timer looks like a late answer. */
const PARALLEL = 16;

const app = createApp({ name: "conformance", registry: "memory:conformance" });
const running = new Set();

async function answer(request) {
  let result;
  try {
    result = { case: "response", value: await makeCall(app, request) };
  } catch (error) {
    result = { case: "error", value: { message: error instanceof Error ? (error.stack ?? "") : String(error) } };
  }
  const response = create(ClientCompatResponseSchema, { testName: request.testName, result });
  await writeMessage(ClientCompatResponseSchema, response, process.stdout);
}

process.on("SIGTERM", () => process.exit(0));
for await (const request of readMessages(ClientCompatRequestSchema, process.stdin)) {
  const call = answer(request).finally(() => running.delete(call));
  running.add(call);
  if (running.size >= PARALLEL) await Promise.race(running);
}
await Promise.all(running);
await app[Symbol.asyncDispose]();
