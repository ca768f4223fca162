// (e) grpc-go in the clear, both directions.
import { bothDirections } from "../lib/echo.mjs";

export const title = "grpc-go, both directions, in the clear";

export const run = (trial) => bothDirections(trial, undefined);
