import { EchoService } from "../grpc-js/echo-definition.mjs";

/** The definition of grpc-js, with the method names that nice-grpc's users write. */
export const EchoDefinition = Object.fromEntries(
  Object.values(EchoService.service).map((method) => [method.originalName, method]),
);
