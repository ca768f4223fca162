// Runs contract.test.mjs, which starts a real Nacos server and ends it.
import { join } from "node:path";

export const title = "the contract suite on real Nacos";

/** As many as the suite has for these capabilities: fewer means that something did not run. */
const LEAST = 68;

export async function run(trial) {
  // The form of the report is named, since its default is another one in later versions of Node.
  const args = ["--enable-source-maps", "--test-reporter=tap", join(import.meta.dirname, "contract.test.mjs")];
  const child = trial.start("contract", process.execPath, args);
  await trial.step("real Nacos", "keeps the contract", async () => {
    const end = await child.wait(300_000);
    const count = (what) => Number(new RegExp(`^# ${what} (\\d+)$`, "m").exec(child.stdout)?.[1] ?? Number.NaN);
    const [passed, failed, skipped] = ["pass", "fail", "skipped"].map(count);
    const counts = `${passed} passed, ${failed} failed, ${skipped} skipped`;
    if (end.code !== 0 || failed !== 0 || skipped !== 0) throw new Error(`${counts}\n${child.tail(80)}`);
    if (!(passed >= LEAST)) throw new Error(`${counts}: fewer than ${LEAST} tests ran`);
    return counts;
  });
}
