import grpc from "@grpc/grpc-js";
import { EchoService } from "./echo-definition.mjs";

export async function serve() {
  const server = new grpc.Server();
  server.addService(EchoService.service, {
    unary(call, callback) {
      callback(null, { data: call.request.data });
    },
    chat(call) {
      call.on("data", (request) => call.write({ data: request.data }));
      call.on("end", () => call.end());
      call.on("error", () => {});
    },
  });
  return await new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) =>
      error ? reject(error) : resolve(port),
    );
  });
}
