import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import { join } from "node:path";

/** What a reader needs to place the figures; nothing that names the machine. */
export function describeMachine() {
  return {
    cpus: os.availableParallelism(),
    model: os.cpus()[0]?.model.trim() ?? "unknown CPU",
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    system: `${os.type()} ${os.arch()}`,
  };
}

export function load() {
  return os.loadavg()[0];
}

/**
 * CPUs for the client, the server and several servers, as taskset takes them. Undefined where processes cannot be pinned:
 * other systems than Linux, no taskset, one CPU.
 */
export function choosePinning() {
  if (process.platform !== "linux") return undefined;
  const allowed = /^Cpus_allowed_list:\s*(.+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "";
  const cpus = allowed.split(",").flatMap((range) => {
    const [first, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
  if (cpus.length < 2 || spawnSync("taskset", ["-c", String(cpus[0]), "true"]).status !== 0) return undefined;
  const [client, ...others] = cpus;
  return {
    client: String(client),
    server: String(others[0]),
    /** Of a server on several, and of what then loads it. */
    servers: others.slice(0, 2).join(","),
    loaders: [client, ...others.slice(2)].join(","),
  };
}

/** The versions that run, from the packages as they are resolved. */
export function versionsOf(packages) {
  return Object.fromEntries(packages.map((name) => [name, versionOf(name)]));
}

function versionOf(name) {
  for (let folder = new URL(".", import.meta.url); ; folder = new URL("..", folder)) {
    try {
      return JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, folder), "utf8")).version;
    } catch (error) {
      if (error.code !== "ENOENT" || folder.pathname === "/") throw error;
    }
  }
}

/** A key and a certificate for localhost, made anew. Needs openssl. */
export function makeCertificate() {
  const folder = mkdtempSync(join(os.tmpdir(), "dubhe-bench-"));
  try {
    const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
    const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
    const made = [
      "req",
      "-x509",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-days",
      "2",
      ...subject,
      "-keyout",
      key,
      "-out",
      cert,
    ];
    const { status, error, stderr } = spawnSync("openssl", made, { encoding: "utf8" });
    if (status !== 0) throw new Error(`openssl, for the certificate of the TLS cells, failed: ${error ?? stderr}`);
    return { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
