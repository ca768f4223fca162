import type { Seed } from "./mirror.js";

/** What a host is started with. */
export interface HostStart {
  readonly port: number;
  readonly pid: number;
  readonly seed: Seed | undefined;
  readonly startingMs: number | undefined;
  readonly confirmMs: number | undefined;
}

/** To the worker, which does nothing until it is told to start. */
export type HostWorkerCommand = { readonly kind: "start"; readonly start: HostStart } | { readonly kind: "close" };

/** From the worker to its process. After `failed` it ends. */
export type HostWorkerMessage =
  | { readonly kind: "listening"; readonly port: number }
  | { readonly kind: "failed"; readonly code: string | undefined; readonly message: string }
  /** A failure inside that nobody was there to receive. */
  | { readonly kind: "report"; readonly where: string; readonly message: string };
