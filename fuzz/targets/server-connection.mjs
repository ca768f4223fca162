import { connectionTarget } from "../lib/connection-target.mjs";

export const { run, seeds, mutate, maxLength, covers } = connectionTarget("server");
