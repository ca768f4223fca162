// Requests of the echo service as enveloped bytes; and broken ones.
import { create, toBinary } from "@bufbuild/protobuf";
import { EchoRequestSchema } from "../../packages/testing/gen/dubhe/testing/v1/echo_pb.js";
import { envelope } from "./wire.mjs";

export const payload = (init) => toBinary(EchoRequestSchema, create(EchoRequestSchema, init));
export const message = (init) => envelope(payload(init));
