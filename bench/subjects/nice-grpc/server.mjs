import grpc from "@grpc/grpc-js";
import { createServer } from "nice-grpc";
import { EchoDefinition } from "./echo-definition.mjs";

/** @param {import("../subject.mjs").ServeOptions} options */
export async function serve({ tls }) {
  const server = createServer();
  server.add(EchoDefinition, {
    unary: async (request) => ({ data: request.data }),
    park: () => new Promise(() => {}),
    async *chat(requests) {
      for await (const request of requests) yield { data: request.data };
    },
    async *fire({ data, count }) {
      for (let i = 0; i < count; i++) yield { data };
    },
  });
  const credentials =
    tls === undefined
      ? grpc.ServerCredentials.createInsecure()
      : grpc.ServerCredentials.createSsl(null, [
          { private_key: Buffer.from(tls.key), cert_chain: Buffer.from(tls.cert) },
        ]);
  return await server.listen("127.0.0.1:0", credentials);
}
