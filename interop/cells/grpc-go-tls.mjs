// (e) grpc-go over TLS (ALPN h2), both directions.
import { makeCertificate } from "../../scripts/lib/certificate.mjs";
import { bothDirections } from "../lib/echo.mjs";

export const title = "grpc-go, both directions, over TLS";

export const run = (trial) => bothDirections(trial, makeCertificate(trial.folder()));
