import grpc from "@grpc/grpc-js";
import { EchoService } from "./echo-definition.mjs";

/** @param {import("../subject.mjs").ServeOptions} options */
export async function serve({ tls }) {
  const server = new grpc.Server();
  server.addService(EchoService.service, {
    unary(call, callback) {
      callback(null, { data: call.request.data });
    },
    park() {},
    chat(call) {
      call.on("data", (request) => call.write({ data: request.data }));
      call.on("end", () => call.end());
      call.on("error", () => {});
    },
    async fire(call) {
      const { data, count } = call.request;
      for (let i = 0; i < count; i++) {
        if (!call.write({ data })) await new Promise((resolve) => call.once("drain", resolve));
      }
      call.end();
    },
  });
  const credentials =
    tls === undefined
      ? grpc.ServerCredentials.createInsecure()
      : grpc.ServerCredentials.createSsl(null, [
          { private_key: Buffer.from(tls.key), cert_chain: Buffer.from(tls.cert) },
        ]);
  return await new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", credentials, (error, port) => (error ? reject(error) : resolve(port)));
  });
}
