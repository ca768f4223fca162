// gRPC's own interop cases with grpc-go over TLS, both directions.
import { makeCertificate } from "../../scripts/lib/certificate.mjs";
import { interopCases } from "../lib/grpc-interop.mjs";

export const title = "gRPC's interop cases with grpc-go, both directions, over TLS";

export const run = (trial) => interopCases(trial, makeCertificate(trial.folder()));
