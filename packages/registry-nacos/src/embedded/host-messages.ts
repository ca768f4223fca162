import type { Seed } from "./mirror.js";

/** What the worker of the host is started with. */
export interface HostWorkerData {
  readonly port: number;
  readonly pid: number;
  readonly seed: Seed | undefined;
  readonly startingMs: number | undefined;
  readonly confirmMs: number | undefined;
}

/** From the worker to its process. */
export type HostWorkerMessage =
  | { readonly kind: "listening"; readonly port: number }
  | { readonly kind: "failed"; readonly code: string | undefined; readonly message: string }
  /** A failure inside that nobody was there to receive. */
  | { readonly kind: "report"; readonly where: string; readonly message: string };

/** To the worker. */
export type HostWorkerCommand = { readonly kind: "close" };
