// One target in one thread: run.mjs watches from outside, and can end what hangs.
// The input that runs is in shared memory, so it is known whatever becomes of the thread.
import { getHeapStatistics } from "node:v8";
import { parentPort, workerData } from "node:worker_threads";
import { Corpus } from "./lib/corpus.mjs";
import { Coverage } from "./lib/coverage.mjs";
import { minimise } from "./lib/minimise.mjs";
import { mutateBytes } from "./lib/mutate.mjs";
import { hashOf, Random } from "./lib/random.mjs";
import { loadTarget } from "./targets/index.mjs";

/** Inputs between two looks at the coverage. */
const BATCH = 24;
/** What one input may leave allocated, garbage included, beside 4 KiB for each of its bytes. */
const MAX_ALLOCATION = 64 * 1024 * 1024;

const { name, seed, seconds, runs, shared, regressions, maxFindings } = workerData;
const header = new Int32Array(shared, 0, 4);
const current = new Uint8Array(shared, 16);

const coverage = new Coverage((url) =>
  /\/packages\/(?:http2|rpc|hessian2|protocol-dubbo)\/dist\/|^dubhe-codec:/.test(url),
);
const target = await loadTarget(name);
const random = new Random(seed ^ hashOf(name));
const corpus = new Corpus();
const failures = new Map();
let executions = 0;

/** Runs one input. Returns its features, or an error with `finding` set. */
async function execute(input) {
  current.set(input.subarray(0, current.length));
  Atomics.store(header, 1, Math.min(input.length, current.length));
  Atomics.add(header, 0, 1);
  executions++;
  try {
    const before = allocated();
    const result = target.run(input);
    const features = result instanceof Promise ? await result : result;
    const grown = allocated() - before;
    if (grown > MAX_ALLOCATION + 4096 * input.length) throw new Error(`${grown >> 20} MiB were allocated`);
    return features;
  } catch (error) {
    return { failure: error instanceof Error ? error : new Error(String(error)) };
  }
}

function allocated() {
  const { used_heap_size, external_memory } = getHeapStatistics();
  return used_heap_size + external_memory;
}

/** What makes two failures the same one. */
function kindOf(error) {
  const frame = /\n\s+at (?!.*node:)(.*)/.exec(error.stack ?? "")?.[1] ?? "";
  return `${error.name}: ${error.message.split("\n")[0].replace(/\d+/g, "N").slice(0, 120)} ${frame.replace(/file:.*\//, "").replace(/[():].*/, "")}`;
}

async function found(input, error, isRegression) {
  const kind = kindOf(error);
  if (failures.has(kind)) return;
  failures.set(kind, true);
  const smallest = isRegression
    ? input
    : await minimise(input, async (candidate) => {
        const result = await execute(candidate);
        return result?.failure !== undefined && kindOf(result.failure) === kind;
      });
  const again = (await execute(smallest))?.failure ?? error;
  parentPort.postMessage({ kind: "finding", input: smallest, reason: again.message, stack: again.stack, isRegression });
}

const isFresh = (result) => {
  const fresh = corpus.notes(result);
  return coverage.look() > 0 || fresh;
};

coverage.look();
for (const input of regressions) {
  const result = await execute(input);
  if (result?.failure !== undefined) await found(input, result.failure, true);
}
for (const input of [...target.seeds(), ...regressions]) {
  const result = await execute(input);
  if (result?.failure !== undefined) await found(input, result.failure, false);
  else if (isFresh(result) || corpus.entries.length === 0) corpus.add(input);
}
if (corpus.entries.length === 0) corpus.add(new Uint8Array(1));

function derive() {
  let input = corpus.choose(random);
  const other = corpus.choose(random);
  for (let left = 1 + random.small(6); left > 0; left--) {
    const known = target.mutate !== undefined && !random.chance(4);
    input = known ? target.mutate(input, random, other) : mutateBytes(input, random, other);
  }
  return input.length > (target.maxLength ?? 4096) ? input.slice(0, target.maxLength ?? 4096) : input;
}

const began = performance.now();
const over = () =>
  runs > 0 ? executions >= runs : performance.now() - began >= seconds * 1_000 || failures.size >= maxFindings;
while (!over()) {
  const batch = [];
  for (let i = 0; i < BATCH; i++) {
    const input = derive();
    const result = await execute(input);
    if (result?.failure !== undefined) await found(input, result.failure, false);
    else if (corpus.notes(result)) corpus.add(input);
    batch.push(input);
  }
  if (!coverage.peek()) continue;
  // Something in this batch reached new code: which inputs?
  let kept = 0;
  for (const input of batch) {
    const result = await execute(input);
    if (coverage.look() === 0 || result?.failure !== undefined) continue;
    corpus.add(input);
    kept++;
  }
  if (kept === 0) coverage.settle();
}

parentPort.postMessage({
  kind: "done",
  executions,
  corpus: corpus.entries.length,
  features: corpus.features,
  failures: failures.size,
  coverage: coverage.report(target.covers),
  seconds: (performance.now() - began) / 1_000,
});
