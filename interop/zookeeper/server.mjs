// Real ZooKeeper servers: Debian's, or any release from Maven Central.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { Child, run } from "../../scripts/lib/child.mjs";
import { ensurePackages } from "../lib/debian.mjs";
import { freePort } from "../lib/ports.mjs";

const HERE = import.meta.dirname;
const DEBIAN_JARS = [
  "zookeeper",
  "zookeeper-jute",
  "slf4j-api",
  "slf4j-simple",
  "metrics-core",
  "snappy-java",
  "commons-io",
];
const NETTY = ["codec", "handler", "transport", "common", "buffer", "resolver", "transport-native-unix-common"];

/** The newest of each line that is tried. */
export const RELEASES = { 3.5: "3.5.10", 3.6: "3.6.4", 3.7: "3.7.2", 3.9: "3.9.5" };

/**
 * Starts a standalone server with its data in a folder of its own. `version`: "debian" (3.8), or a release of Maven Central, whose
 * jars are kept in target/. `properties` go to its zoo.cfg, `system` are Java system properties; `myid` is its number in an
 * ensemble. `tls` { keyStore, trustStore, password, clientAuth }: the port speaks TLS. The folder goes with `stop`.
 */
export async function startZookeeper({
  version = "debian",
  properties = {},
  system = {},
  tls,
  tickMs = 500,
  port,
  myid,
} = {}) {
  await needed("java", "default-jre-headless");
  const classpath = await classpathOf(version);
  const clientPort = port ?? (await freePort());
  const folder = mkdtempSync(join(tmpdir(), "dubhe-zookeeper-"));
  const config = {
    tickTime: tickMs,
    dataDir: join(folder, "data"),
    [tls === undefined ? "clientPort" : "secureClientPort"]: clientPort,
    [tls === undefined ? "clientPortAddress" : "secureClientPortAddress"]: "127.0.0.1",
    maxClientCnxns: 0,
    minSessionTimeout: 1_000,
    maxSessionTimeout: 60_000,
    "4lw.commands.whitelist": "*",
    "admin.enableServer": "false",
    ...properties,
  };
  const java = {
    "java.net.preferIPv4Stack": "true",
    "zookeeper.admin.enableServer": "false",
    "org.slf4j.simpleLogger.defaultLogLevel": "warn",
    ...system,
  };
  if (tls !== undefined) {
    java["zookeeper.serverCnxnFactory"] = "org.apache.zookeeper.server.NettyServerCnxnFactory";
    java["zookeeper.ssl.keyStore.location"] = tls.keyStore;
    if (tls.password !== undefined) java["zookeeper.ssl.keyStore.password"] = tls.password;
    java["zookeeper.ssl.trustStore.location"] = tls.trustStore;
    if (tls.password !== undefined) java["zookeeper.ssl.trustStore.password"] = tls.password;
    config["ssl.clientAuth"] = tls.clientAuth ?? "none";
    java["zookeeper.ssl.clientAuth"] = tls.clientAuth ?? "none";
  }
  if (myid !== undefined) {
    mkdirSync(config.dataDir);
    writeFileSync(join(config.dataDir, "myid"), String(myid));
  }
  const file = join(folder, "zoo.cfg");
  writeFileSync(
    file,
    Object.entries(config)
      .map(([key, value]) => `${key}=${value}\n`)
      .join(""),
  );
  const flags = Object.entries(java).map(([key, value]) => `-D${key}=${value}`);
  let child;
  const start = async () => {
    child = new Child(`zookeeper ${version}`, "java", [
      "-Xmx512m",
      "-XX:+UseSerialGC",
      "-XX:TieredStopAtLevel=1",
      ...flags,
      "-cp",
      classpath,
      "org.apache.zookeeper.server.quorum.QuorumPeerMain",
      file,
    ]);
    await listening(child, clientPort, tls === undefined);
  };
  try {
    await start();
  } catch (error) {
    await child.stop();
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
  const signal = (name) => process.kill(child.pid, name);
  return {
    url: `zookeeper://127.0.0.1:${clientPort}`,
    port: clientPort,
    version,
    tls: tls !== undefined,
    /** What it said last. */
    tail: (lines) => child.tail(lines),
    /** One of its four letter words, on a port without TLS. */
    ask: (word) => fourLetters(clientPort, word),
    async kill() {
      signal("SIGKILL");
      await child.exited;
    },
    async freeze() {
      signal("SIGSTOP");
      await stopped(child.pid);
    },
    thaw: () => signal("SIGCONT"),
    /** Same port, same data, unless `wipe`. */
    async restart({ wipe = false } = {}) {
      if (child.end === undefined) {
        signal("SIGKILL");
        await child.exited;
      }
      if (wipe) rmSync(join(folder, "data"), { recursive: true, force: true });
      await start();
    },
    async stop() {
      if (child.end === undefined) {
        signal("SIGKILL");
        await child.exited;
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Three servers that are one. Each is as of {@link startZookeeper}; `url` names all. */
export async function startEnsemble({ version = "debian" } = {}) {
  const ids = [1, 2, 3];
  const properties = { initLimit: 10, syncLimit: 5 };
  for (const id of ids) properties[`server.${id}`] = `127.0.0.1:${await freePort()}:${await freePort()}`;
  const servers = await Promise.all(ids.map((myid) => startZookeeper({ version, properties, myid })));
  return {
    servers,
    url: `zookeeper://${servers.map(({ port }) => `127.0.0.1:${port}`).join(",")}`,
    stop: () => Promise.all(servers.map((server) => server.stop())),
  };
}

/** A command that may have come from elsewhere than the distribution. */
async function needed(command, packageName) {
  const found = (process.env.PATH ?? "").split(delimiter).some((folder) => existsSync(join(folder, command)));
  if (!found) await ensurePackages([packageName]);
}

async function classpathOf(version) {
  if (version === "debian") {
    await ensurePackages(["zookeeper", "libnetty-java"]);
    const names = [...DEBIAN_JARS, ...NETTY.map((name) => `netty-${name}`)];
    return names
      .map((name) => `/usr/share/java/${name}.jar`)
      .filter((path) => existsSync(path))
      .join(":");
  }
  const folder = join(HERE, "target", version);
  const file = join(folder, "classpath");
  if (!existsSync(file)) {
    await needed("mvn", "maven");
    mkdirSync(folder, { recursive: true });
    const goals = ["-q", "-B", "dependency:build-classpath", `-Dzookeeper.version=${version}`];
    await run(`fetching ZooKeeper ${version}`, "mvn", [...goals, `-Dmdep.outputFile=${file}`], { cwd: HERE });
  }
  return readFileSync(file, "utf8").trim();
}

/** A busy machine delivers the signal late. */
async function stopped(pid) {
  const folder = `/proc/${pid}/task`;
  const running = () => readdirSync(folder).some((id) => !/\) T/.test(readFileSync(join(folder, id, "stat"), "utf8")));
  for (let waited = 0; running(); waited += 5) {
    if (waited > 5_000) throw new Error(`process ${pid} does not stop`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function listening(child, port, plain) {
  const until = performance.now() + 60_000;
  for (;;) {
    if (child.end !== undefined) throw new Error(`ZooKeeper ended at once:\n${child.tail(30)}`);
    const answer = await fourLetters(port, plain ? "srvr" : "").catch(() => undefined);
    if (plain ? answer?.includes("Mode:") : answer !== undefined) return;
    if (performance.now() > until) throw new Error(`ZooKeeper does not answer:\n${child.tail(30)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** With an empty word: whether anybody listens. */
function fourLetters(port, word) {
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = connect({ port, host: "127.0.0.1" }, () => {
      if (word === "") {
        socket.destroy();
        resolve("");
      } else socket.write(word);
    });
    socket.setTimeout(3_000, () => socket.destroy(new Error(`no answer to ${word}`)));
    socket.setEncoding("utf8").on("data", (chunk) => {
      text += chunk;
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(text));
  });
}
