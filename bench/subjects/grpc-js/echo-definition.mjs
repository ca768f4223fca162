import { fileURLToPath } from "node:url";
import grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

const proto = fileURLToPath(new URL("../../proto/dubhe/bench/v1/echo.proto", import.meta.url));

/** The way most users of grpc-js load a service: protobufjs through proto-loader. */
export const EchoService = grpc.loadPackageDefinition(loadSync(proto)).dubhe.bench.v1.EchoService;
