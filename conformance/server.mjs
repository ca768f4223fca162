// The server under test. Reads one ServerCompatRequest from stdin, serves accordingly on a free port of loopback, writes a
// ServerCompatResponse to stdout, and goes on until SIGTERM. The runner starts one of these per kind of server.
import { create } from "@bufbuild/protobuf";
import { createServer } from "dubhe";
import {
  ServerCompatRequestSchema,
  ServerCompatResponseSchema,
} from "./gen/connectrpc/conformance/v1/server_compat_pb.js";
import { ConformanceService } from "./gen/connectrpc/conformance/v1/service_pb.js";
import { readMessages, writeMessage } from "./lib/delimited.mjs";
import { conformanceService } from "./service.mjs";

const request = (await readMessages(ServerCompatRequestSchema, process.stdin).next()).value;
const { serverCreds, clientTlsCert, messageReceiveLimit } = request;
const tls = request.useTls && {
  cert: Buffer.from(serverCreds.cert),
  key: Buffer.from(serverCreds.key),
  ...(clientTlsCert.length > 0 && { ca: Buffer.from(clientTlsCert), requestCert: true, rejectUnauthorized: true }),
};
const server = createServer({
  listen: "127.0.0.1:0",
  ...(tls && { tls }),
  ...(messageReceiveLimit > 0 && { maxReceiveBytes: messageReceiveLimit }),
  // Every answer to a caller that takes compression is to be compressed: these messages are small.
  compression: "gzip",
  compressMinBytes: 0,
});
// The method Unimplemented is left out, as the service asks.
server.add(ConformanceService, conformanceService);
await server.start();
const [host, port] = server.address.split(":");
await writeMessage(
  ServerCompatResponseSchema,
  create(ServerCompatResponseSchema, { host, port: Number(port), pemCert: tls ? serverCreds.cert : new Uint8Array() }),
  process.stdout,
);
process.on("SIGTERM", () => process.exit(0));
