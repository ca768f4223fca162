// The lines of JSON that a client program prints, one a call or case, checked for what they must say.
import assert from "node:assert/strict";

/** Waits for a client program to end and gives its lines. `want` are the names of the calls that must be there. */
export async function linesOf(child, want, timeoutMs = 120_000) {
  const end = await child.wait(timeoutMs);
  const lines = child.stdout
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line));
  const names = lines.map((line) => line.call ?? line.case);
  const failed = lines.filter((line) => !(line.expected ?? line.ok));
  if (failed.length > 0) throw new Error(failed.map((line) => JSON.stringify(line)).join("\n"));
  assert.deepEqual(names, want, `${child.name} should have reported these calls\n${child.tail()}`);
  assert.equal(end.code, 0, `${child.name} exit status\n${child.tail()}`);
  return lines;
}

/** The contents of the four kinds of greet call: who answered, in what order, with the attachment returned. */
export function checkGreetings(lines, { name, peer }) {
  const names = [0, 1, 2].map((i) => `${name}-${i}`);
  const expected = {
    unary: [[`hello ${name}`, 0]],
    "server-stream": [0, 1, 2].map((i) => [`hello ${name}`, i]),
    "client-stream": [[`hello ${names.join("+")}`, 3]],
    "bidi-stream": names.map((n, i) => [`hello ${n}`, i]),
  };
  for (const line of lines) {
    const want = expected[line.call];
    if (want === undefined) continue;
    const got = line.results.map((r) => [r.greeting, r.index]);
    assert.deepEqual(got, want, `${line.call}: ${JSON.stringify(line.results)}`);
    for (const result of line.results) {
      assert.match(result.peer, peer, `${line.call} was answered by ${result.peer}`);
      assert.equal(result.attachments?.["peer-trace"], "trace-1", `${line.call}: the attachment peer-trace came back`);
    }
  }
  return lines.map((line) => describe(line));
}

function describe(line) {
  const what = line.ok
    ? `${line.results.length} from ${line.results[0]?.peer}: ${line.results.at(-1)?.greeting}`
    : `${line.code}: ${line.error}`;
  return `${line.call.padEnd(14)} ${what} (${line.ms.toFixed(1)} ms)`;
}

export const describeCase = (line) => `${line.case.padEnd(20)} ${line.saw} (${line.ms.toFixed(1)} ms)`;
