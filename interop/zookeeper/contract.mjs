// Runs contract.test.mjs on a real server, which it starts itself.
import { join } from "node:path";

/** As many as the suite has for these capabilities: fewer means that something did not run. */
const LEAST = 60;

export async function contractSteps(trial, version) {
  // The form of the report is named, since its default is another one in later versions of Node.
  const file = join(import.meta.dirname, "contract.test.mjs");
  const args = ["--enable-source-maps", "--test", "--test-reporter=tap", file];
  const child = trial.start("contract", process.execPath, args, { env: { ZOOKEEPER_VERSION: version } });
  await trial.step(`ZooKeeper ${version}`, "keeps the contract", async () => {
    const end = await child.wait(240_000);
    const count = (what) => Number(new RegExp(`^# ${what} (\\d+)$`, "m").exec(child.stdout)?.[1] ?? Number.NaN);
    const [passed, failed, skipped] = ["pass", "fail", "skipped"].map(count);
    const counts = `${passed} passed, ${failed} failed, ${skipped} skipped`;
    if (end.code !== 0 || failed !== 0 || skipped !== 0) throw new Error(`${counts}\n${child.tail(80)}`);
    if (!(passed >= LEAST)) throw new Error(`${counts}: fewer than ${LEAST} tests ran`);
    return counts;
  });
}
