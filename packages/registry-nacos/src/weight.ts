import { clampWeight, DEFAULT_WEIGHT } from "@dubhe/discovery";

/**
 * Weights on Nacos's wire are doubles without a scale: dubbo-go writes 100 for a normal instance, dubbo-java leaves
 * Nacos's own default of 1, and an operator halves that in the console by 0.5. We write our scale, as dubbo-go does, and
 * read 1 and fractions in Java's.
 */
export function weightFromWire(weight: number): number {
  if (!Number.isFinite(weight)) return DEFAULT_WEIGHT;
  if (weight <= 0) return 0;
  if (weight <= 1) return Math.max(1, clampWeight(weight * DEFAULT_WEIGHT));
  return clampWeight(weight);
}

/** A weight of 1 % is written a little higher, or it would be read as Java's 100 %. */
export function weightToWire(weight: number): number {
  return weight === 1 ? 1.001 : weight;
}
