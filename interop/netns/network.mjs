// A switch with two cables, made of network namespaces: this process's namespace ── switch ── another namespace, where servers
// run. Pulling a cable is silent on both sides: no carrier is lost, no route goes, no ICMP comes, packets are just not forwarded.
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

async function ip(...words) {
  try {
    return (await run("ip", words)).stdout;
  } catch (error) {
    throw new Error(`ip ${words.join(" ")}: ${error.stderr?.trim() || error.message}`);
  }
}

/** Throws with what is missing: this suite must not pass by not running. */
async function prepare() {
  if (process.platform !== "linux") throw new Error("network namespaces exist on Linux only");
  if (process.getuid() !== 0)
    throw new Error("making a network namespace needs root (or CAP_SYS_ADMIN and CAP_NET_ADMIN)");
  try {
    await run("ip", ["-V"]);
  } catch {
    console.log("installing iproute2");
    await run("apt-get", ["install", "-y", "--no-install-recommends", "iproute2"]).catch((error) => {
      throw new Error(`iproute2 is missing and cannot be installed: ${error.stderr?.trim() || error.message}`);
    });
  }
}

export async function makeNetwork() {
  await prepare();
  const id = process.pid % 100_000;
  // A net of its own: two runs on one machine must not meet.
  const net = `10.${200 + (id % 50)}.${(id >> 6) % 250}`;
  const there = `dubhe-there-${id}`;
  const middle = `dubhe-switch-${id}`;
  const [here, hereEnd, thereEnd] = [`dbh${id}`, `dbs${id}`, `dbt${id}`];
  const close = async () => {
    await ip("netns", "del", there).catch(() => undefined);
    await ip("netns", "del", middle).catch(() => undefined);
    await ip("link", "del", here).catch(() => undefined);
  };
  try {
    await ip("netns", "add", there);
    await ip("netns", "add", middle);
    await ip("-n", middle, "link", "add", "br0", "type", "bridge");
    await ip("link", "add", here, "type", "veth", "peer", "name", hereEnd, "netns", middle);
    await ip("-n", there, "link", "add", "eth0", "type", "veth", "peer", "name", thereEnd, "netns", middle);
    for (const end of [hereEnd, thereEnd]) {
      await ip("-n", middle, "link", "set", end, "master", "br0");
      await ip("-n", middle, "link", "set", end, "up");
    }
    await ip("-n", middle, "link", "set", "br0", "up");
    await ip("addr", "add", `${net}.1/24`, "dev", here);
    await ip("link", "set", here, "up");
    await ip("-n", there, "addr", "add", `${net}.2/24`, "dev", "eth0");
    await ip("-n", there, "link", "set", "lo", "up");
    await ip("-n", there, "link", "set", "eth0", "up");
  } catch (error) {
    await close();
    throw error;
  }
  return {
    namespace: there,
    /** The other side's address. */
    address: `${net}.2`,
    pull: () => ip("-n", middle, "link", "set", hereEnd, "nomaster"),
    plug: () => ip("-n", middle, "link", "set", hereEnd, "master", "br0"),
    close,
  };
}
