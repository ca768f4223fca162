// Real etcd servers: Debian's 3.4, and 3.5 and 3.6 built from the Go module proxy.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Child, run } from "../../scripts/lib/child.mjs";
import { ensurePackages } from "../lib/debian.mjs";
import { freePort } from "../lib/ports.mjs";
import { adminOf } from "./admin.mjs";
import { pause } from "./wait.mjs";

const HERE = import.meta.dirname;

export const VERSIONS = ["debian", "3.5", "3.6"];

/** The path of the program; 3.5 and 3.6 are built into .tools/ once, which takes a quarter of a minute to one (each). */
export async function etcdProgram(version) {
  if (version === "debian") {
    await ensurePackages(["etcd-server"]);
    return "/usr/bin/etcd";
  }
  const folder = join(HERE, "..", "..", ".tools", "etcd", version);
  const program = join(folder, "etcd");
  if (!existsSync(program)) {
    mkdirSync(folder, { recursive: true });
    console.log(`  building etcd ${version}`);
    const args = ["build", "-trimpath", "-buildvcs=false", "-o", program, "."];
    await run(`building etcd ${version}`, "go", args, { cwd: join(HERE, `server-${version}`) });
  }
  return program;
}

/** A signal takes its time to stop the threads of a process: until then they go on answering. */
async function stopped(pid) {
  const folder = `/proc/${pid}/task`;
  if (!existsSync(folder)) return pause(200);
  for (let waited = 0; waited < 5_000; waited += 5) {
    const states = readdirSync(folder).map((id) => /\) (\S)/.exec(readFileSync(join(folder, id, "stat"), "utf8"))?.[1]);
    if (states.every((state) => state === "T")) return;
    await pause(5);
  }
  throw new Error(`process ${pid} does not stop`);
}

/**
 * Starts a server, or a cluster of `members` on this machine, with its data in a folder of its own that goes with `stop`. `tls`
 * { cert, key, ca }: paths; with `ca`, clients need a certificate of it. `args` go to the command line.
 */
export async function startEtcd({ version = "debian", members = 1, tls, args = [], port } = {}) {
  const program = await etcdProgram(version);
  const folder = mkdtempSync(join(tmpdir(), "dubhe-etcd-"));
  const kept = `${folder}-kept`;
  const scheme = tls === undefined ? "http" : "https";
  const ports = [];
  for (let n = 0; n < members; n++)
    ports.push({ client: n === 0 && port !== undefined ? port : await freePort(), peer: await freePort() });
  const cluster = ports.map(({ peer }, n) => `m${n}=http://127.0.0.1:${peer}`).join();
  const secure =
    tls === undefined
      ? []
      : [
          `--cert-file=${tls.cert}`,
          `--key-file=${tls.key}`,
          ...(tls.ca === undefined ? [] : ["--client-cert-auth", `--trusted-ca-file=${tls.ca}`]),
        ];
  const one = ({ client, peer }, n) => {
    let child;
    const spawn = () => {
      child = new Child(`etcd ${version} m${n}`, program, [
        `--name=m${n}`,
        `--data-dir=${join(folder, `m${n}`)}`,
        `--listen-client-urls=${scheme}://127.0.0.1:${client}`,
        `--advertise-client-urls=${scheme}://127.0.0.1:${client}`,
        `--listen-peer-urls=http://127.0.0.1:${peer}`,
        `--initial-advertise-peer-urls=http://127.0.0.1:${peer}`,
        `--initial-cluster=${cluster}`,
        "--logger=zap",
        "--log-level=error",
        ...secure,
        ...args,
      ]);
    };
    spawn();
    return {
      port: client,
      address: `127.0.0.1:${client}`,
      tail: (lines) => child.tail(lines),
      async kill() {
        child.kill("SIGKILL");
        await child.exited;
      },
      async freeze() {
        process.kill(child.pid, "SIGSTOP");
        await stopped(child.pid);
      },
      thaw: () => process.kill(child.pid, "SIGCONT"),
      get running() {
        return child.end === undefined;
      },
      spawn,
    };
  };
  const servers = ports.map(one);
  const [first] = servers;
  const answering = async () => {
    // With TLS, whoever uses it finds out.
    if (tls !== undefined) return pause(1_500);
    for (const server of servers) {
      const admin = adminOf(server.address);
      const until = performance.now() + 30_000;
      for (;;) {
        if (!server.running) throw new Error(`etcd ended at once:\n${server.tail(30)}`);
        if (await admin.healthy()) break;
        if (performance.now() > until) throw new Error(`etcd does not answer:\n${server.tail(30)}`);
        await pause(50);
      }
    }
  };
  const stop = async () => {
    for (const server of servers) if (server.running) await server.kill();
    for (const path of [folder, kept]) rmSync(path, { recursive: true, force: true });
  };
  try {
    await answering();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url: `etcd://${servers.map(({ address }) => address).join()}`,
    port: first.port,
    version,
    /** Its members; the methods below are for all of them at once. */
    servers,
    stop,
    async kill() {
      await Promise.all(servers.map((server) => server.kill()));
    },
    async freeze() {
      await Promise.all(servers.map((server) => server.freeze()));
    },
    thaw: () => servers.map((server) => server.thaw()),
    /**
     * Same ports, same data, unless `wipe`. With `backup`, the data as it is now is kept; with `restore`, it is as it was then.
     */
    async restart({ wipe = false, downMs = 0, backup = false, restore = false } = {}) {
      for (const server of servers) if (server.running) await server.kill();
      if (backup) cpSync(folder, kept, { recursive: true });
      if (restore) {
        rmSync(folder, { recursive: true, force: true });
        cpSync(kept, folder, { recursive: true });
      }
      if (wipe) servers.forEach((_, n) => rmSync(join(folder, `m${n}`), { recursive: true, force: true }));
      await pause(downMs);
      for (const server of servers) server.spawn();
      await answering();
    },
  };
}
