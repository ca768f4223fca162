// Loaded before each test file: property tests run the same cases every time, unless they name a seed of their own.
// DUBHE_SEED=2 explores others.
import fc from "fast-check";

fc.configureGlobal({ seed: Number(process.env.DUBHE_SEED ?? 1) });
