// Packages of the distribution that a suite needs: servers that come from apt and not from a package registry.
import { execFileSync } from "node:child_process";

/** Installs what is missing of `names`; needs root for that, and nothing when all is there. Concurrent calls wait for dpkg's lock. */
export async function ensurePackages(names) {
  const missing = names.filter((name) => !installed(name));
  if (missing.length === 0) return;
  console.log(`  apt: installing ${missing.join(", ")}`);
  const apt = (args) =>
    execFileSync("apt-get", ["-o", "DPkg::Lock::Timeout=300", ...args], {
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
      stdio: ["ignore", "pipe", "pipe"],
    });
  try {
    apt(["update"]);
    apt(["install", "-y", "--no-install-recommends", ...missing]);
  } catch (cause) {
    const said = String(cause.stderr ?? "")
      .trim()
      .split("\n")
      .slice(-5)
      .join("\n");
    throw new Error(`cannot install ${missing.join(", ")} (is this Debian, and are you root?)\n${said}`, { cause });
  }
}

function installed(name) {
  try {
    return /^Status: .* installed$/m.test(execFileSync("dpkg", ["-s", name], { stdio: "pipe" }).toString());
  } catch {
    return false;
  }
}
