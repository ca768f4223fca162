// Runs contract.test.mjs on each version, all at once: most of it is waiting.
import { join } from "node:path";
import { etcdProgram } from "./server.mjs";

/** As many as the suite has for these capabilities: fewer means that something did not run. */
const LEAST = 75;

export async function contractSteps(trial, versions) {
  for (const version of versions) await etcdProgram(version);
  const children = versions.map((version) => {
    // The form of the report is named, since its default is another one in later versions of Node.
    const file = join(import.meta.dirname, "contract.test.mjs");
    const args = ["--enable-source-maps", "--test", "--test-reporter=tap", file];
    return trial.start(`contract ${version}`, process.execPath, args, { env: { REAL_ETCD: version } });
  });
  for (const [n, child] of children.entries()) {
    await trial.step(`etcd ${versions[n]}`, "keeps the contract", async () => {
      const end = await child.wait(300_000);
      const count = (what) => Number(new RegExp(`^# ${what} (\\d+)$`, "m").exec(child.stdout)?.[1] ?? Number.NaN);
      const [passed, failed, skipped] = ["pass", "fail", "skipped"].map(count);
      const counts = `${passed} passed, ${failed} failed, ${skipped} skipped`;
      if (end.code !== 0 || failed !== 0 || skipped !== 0)
        throw new Error(`${counts}\n${failedTests(child.stdout) || child.tail(60)}`);
      if (!(passed >= LEAST)) throw new Error(`${counts}: fewer than ${LEAST} tests ran`);
      return counts;
    });
  }
}

/** What TAP says of each that failed. */
function failedTests(tap) {
  return [...tap.matchAll(/^not ok .*\n {2}---\n[\s\S]*?^ {2}\.\.\.$/gm)].map(([text]) => text).join("\n");
}
