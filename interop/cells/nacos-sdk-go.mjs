// (h) Another's Nacos client, and the protocol by hand, on the embedded registry and on real Nacos: the answers are compared.
// Without options, as the cells are run: both servers are started here.
import * as comparison from "../nacos/sdk-go.mjs";

export const { title } = comparison;

export const run = (trial) => comparison.run(trial, { onlyDifferences: true });
