// gRPC's own interop cases with grpc-go, in the clear, both directions.
import { interopCases } from "../lib/grpc-interop.mjs";

export const title = "gRPC's interop cases with grpc-go, both directions, in the clear";

export const run = (trial) => interopCases(trial, undefined);
