// Compares what two runs of sdk-go saw.

/**
 * One row a step, in the order of the real server's run. Verdicts: `same`; `known` (differs only as listed); `different`;
 * `missing` (one run has no such step); `failed` (a step waited in vain, on whichever side); `outdated` (a known difference that
 * is none).
 */
export function compare(real, ours, known) {
  const theirs = new Map(ours.lines.map((line) => [line.step, line]));
  const used = new Set();
  const rows = real.lines.map((line) => {
    const other = theirs.get(line.step);
    theirs.delete(line.step);
    if (other === undefined) return { step: line.step, verdict: "missing", notes: ["only real Nacos has this step"] };
    return judge(line, other, known, used);
  });
  for (const step of theirs.keys()) {
    rows.push({ step, verdict: "missing", notes: ["only the embedded registry has this step"] });
  }
  for (const entry of known) {
    for (const step of entry.steps) {
      if (used.has(`${step}\0${known.indexOf(entry)}`)) continue;
      rows.push({
        step,
        verdict: "outdated",
        notes: ["does not differ as listed: take it off the list", entry.reason],
      });
    }
  }
  for (const [who, { end }] of Object.entries({ "real Nacos": real, "the embedded registry": ours })) {
    if (end.code !== 0) rows.push({ step: `the run on ${who}`, verdict: "failed", notes: [`exit status ${end.code}`] });
  }
  return rows;
}

function judge(real, ours, known, used) {
  const notes = [];
  const found = [];
  let verdict = "same";
  for (const difference of differences(real.answer, ours.answer)) {
    const index = known.findIndex((entry) => covers(entry, real.step, difference.path));
    if (index === -1) {
      verdict = "different";
      found.push(difference);
      notes.push(difference.path, `    nacos    ${show(difference.left)}`, `    embedded ${show(difference.right)}`);
    } else {
      used.add(`${real.step}\0${index}`);
      if (verdict === "same") verdict = "known";
      if (!notes.includes(known[index].reason)) notes.push(known[index].reason);
    }
  }
  if (real.failed !== undefined || ours.failed !== undefined) {
    verdict = "failed";
    notes.push(`    nacos    ${real.failed ?? "came to its end"}`, `    embedded ${ours.failed ?? "came to its end"}`);
  }
  return { step: real.step, verdict, notes, found };
}

const covers = ({ steps, path }, step, place) =>
  steps.includes(step) && (path === undefined || place === path || place.startsWith(`${path}.`));

/** The smallest parts in which two JSON values differ, each with its place. */
export function differences(left, right, path = "") {
  if (isTree(left) && isTree(right) && Array.isArray(left) === Array.isArray(right)) {
    const [a, b] = [byKey(left, path), byKey(right, path)];
    return [...new Set([...a.keys(), ...b.keys()])].flatMap((key) =>
      differences(a.get(key), b.get(key), path === "" ? key : `${path}.${key}`),
    );
  }
  return Object.is(left, right) ? [] : [{ path, left, right }];
}

/** Fields by name, items by position; instances by address, so that one too many is not taken for all others changed. */
function byKey(tree, path) {
  if (!/(?:^|\.)hosts$/.test(path) || !Array.isArray(tree)) return new Map(Object.entries(tree));
  const keyed = new Map();
  for (const host of tree) {
    let key = `[${host.ip}:${host.port}]`;
    while (keyed.has(key)) key += "'";
    keyed.set(key, host);
  }
  return keyed;
}

/** The differences of all rows by their place in an answer, with the first of each: what is one cause shows as one line. */
export function summary(rows) {
  const kinds = new Map();
  for (const { step, found } of rows) {
    for (const { path, left, right } of found ?? []) {
      const kind = path.replace(/\[[^\]]*\]'*/g, "[…]").replace(/^.*?(?=(?:body|hosts|told)\.)/, "");
      const known = kinds.get(kind);
      if (known === undefined) kinds.set(kind, { kind, steps: 1, step, left, right });
      else known.steps += 1;
    }
  }
  return [...kinds.values()]
    .sort((a, b) => b.steps - a.steps)
    .flatMap(({ kind, steps, step, left, right }) => [
      `${kind}: ${steps} times, first in "${step}"`,
      `    nacos    ${show(left)}`,
      `    embedded ${show(right)}`,
    ]);
}

const isTree = (value) => typeof value === "object" && value !== null;

function show(value) {
  const text = value === undefined ? "(absent)" : JSON.stringify(value);
  return text.length > 1_000 ? `${text.slice(0, 1_000)}… (${text.length} characters)` : text;
}
