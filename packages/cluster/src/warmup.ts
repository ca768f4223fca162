/**
 * The weight of a provider that started `uptimeMs` ago: it grows linearly to its full value over `warmupMs`, as in Dubbo
 * (cold caches, cold JIT), and never below 1. An unknown start, or one in the future (clocks differ), means warm.
 */
export function warmedWeight(weight: number, uptimeMs: number | undefined, warmupMs: number): number {
  if (uptimeMs === undefined || uptimeMs < 0 || uptimeMs >= warmupMs) return weight;
  return Math.max(1, Math.round((weight * uptimeMs) / warmupMs));
}
