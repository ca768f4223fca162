import cluster from "node:cluster";
import { createHash } from "node:crypto";

/**
 * What the workers of one node:cluster primary call themselves in registries: they serve one port together, so they are
 * one instance. Undefined in any other process.
 */
export function sharedOwner(
  isWorker: boolean = cluster.isWorker,
  primaryPid: number = process.ppid,
): string | undefined {
  if (!isWorker) return undefined;
  return createHash("sha256").update(`node:cluster ${primaryPid}`).digest("hex").slice(0, 16);
}
