import { lookup } from "node:dns/promises";
import { hostname, networkInterfaces } from "node:os";
import { advertisedAddress, type ConfiguredRegistry, type RegistryServer } from "dubhe/tools";
import { applicationsOf, servicesOf } from "./catalog.js";
import { explain } from "./explain/explain.js";
import type { Explanation } from "./explain/explanation.js";
import { printExplanation } from "./explain/run-explain.js";
import { serviceArgument } from "./explain/service-argument.js";
import { formatMs } from "./first-event.js";
import type { CommandLine } from "./options.js";
import { addressOf } from "./probe/probe-result.js";
import { tcpProbe } from "./probe/tcp-probe.js";
import { tlsProbe } from "./probe/tls-probe.js";
import { Session } from "./session.js";
import { bold, jsonText, type Mark, marked, type Terminal } from "./terminal.js";
import { UsageError } from "./usage.js";

/** What `package.json` asks for. */
const oldestNode: readonly [number, number] = [20, 19];

interface Check {
  readonly about: string;
  readonly mark: Mark;
  readonly text: string;
}

export async function runDoctor(line: CommandLine, terminal: Terminal): Promise<number> {
  const [name, ...more] = line.positionals;
  if (more.length > 0) throw new UsageError(`doctor takes one service, not "${more[0]}" as well`, "doctor");
  const ref = name === undefined ? undefined : serviceArgument(name, line, "doctor");
  await using session = new Session(line.common, terminal, "doctor");
  const { json, tls } = line.common;
  const checks: Check[] = [];
  const report = (about: string, mark: Mark, text: string): void => {
    if (!json) {
      if (checks.at(-1)?.about !== about) terminal.out(bold(terminal, about));
      terminal.out(`  ${marked(terminal, mark, text)}`);
    }
    checks.push({ about, mark, text });
  };
  checkNode(process.versions.node, report);
  await checkAddress(session, terminal.env, report);
  for (const registry of session.registries) await checkRegistry(session, registry, report);
  let explanation: Explanation | undefined;
  if (ref !== undefined) {
    explanation = await explain(session, ref, { tls, application: line.explain.application });
    if (!json) {
      terminal.out("");
      printExplanation(terminal, explanation);
    }
  }
  const healthy = checks.every(({ mark }) => mark !== "wrong") && explanation?.callable !== false;
  if (json) terminal.out(jsonText({ healthy, checks, ...(explanation === undefined ? {} : { explanation }) }, 2));
  return healthy ? 0 : 1;
}

type Report = (about: string, mark: Mark, text: string) => void;

export function checkNode(version: string, report: Report): void {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [oldestMajor, oldestMinor] = oldestNode;
  const fit = major > oldestMajor || (major === oldestMajor && minor >= oldestMinor);
  if (fit) report("This machine", "ok", `Node.js ${version}`);
  else report("This machine", "wrong", `Node.js ${version} is too old: Dubhe needs ${oldestNode.join(".")} or later`);
}

/** What consumers elsewhere would be told of a server here, unless it says otherwise. */
async function checkAddress(
  session: Session,
  env: Readonly<Record<string, string | undefined>>,
  report: Report,
): Promise<void> {
  const about = "This machine";
  const name = hostname();
  try {
    const found = await lookup(name, { all: true });
    report(about, "ok", `its name ${name} is ${found.map(({ address }) => address).join(", ")}`);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    report(about, "note", `its name ${name} cannot be resolved (${code}): advertise addresses, not this name`);
  }
  const loopback = session.registries.every((registry) => registry.loopback);
  try {
    const { host } = advertisedAddress({
      advertise: undefined,
      boundHost: "0.0.0.0",
      boundPort: 50_051,
      loopback,
      env,
    });
    const why = (env["DUBBO_IP_TO_REGISTRY"] ?? "") === "" ? "" : " (DUBBO_IP_TO_REGISTRY)";
    const others = ipv4Addresses().filter((address) => address !== host);
    const more = others.length === 0 || why !== "" || loopback ? "" : `; others: ${others.join(", ")}`;
    if (host === "127.0.0.1" && !loopback)
      report(
        about,
        "wrong",
        `a server would advertise 127.0.0.1, which nobody else can reach: set \`advertise\` or DUBBO_IP_TO_REGISTRY`,
      );
    else report(about, "ok", `a server would advertise ${host}${why}${more}`);
  } catch (error) {
    report(about, "wrong", (error as Error).message);
  }
}

function ipv4Addresses(): readonly string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ family, internal }) => family === "IPv4" && !internal)
    .map(({ address }) => address);
}

async function checkRegistry(session: Session, registry: ConfiguredRegistry, report: Report): Promise<void> {
  const { id } = registry.use.registry;
  const about = `Registry ${id}`;
  const { type, register, subscribe } = registry.use;
  if (type !== "service" || !register || !subscribe)
    report(about, "note", `registry-type=${type}, register=${register}, subscribe=${subscribe}`);
  for (const server of registry.servers) await checkServer(session, about, server, report);
  const began = session.runtime.clock.now();
  try {
    await session.instances(registry, "dubhe-cli");
    report(about, "ok", `its protocol is spoken and lets us in (${formatMs(session.runtime.clock.now() - began)})`);
  } catch (error) {
    session.signal.throwIfAborted();
    report(about, "wrong", `cannot be used: ${(error as Error).message}`);
    return;
  }
  await checkContents(session, registry, about, report);
}

async function checkServer(session: Session, about: string, server: RegistryServer, report: Report): Promise<void> {
  const { clock } = session.runtime;
  const { timeoutMs, signal } = session;
  const result = await tcpProbe(clock, server, timeoutMs, signal);
  if (!result.ok) return report(about, "wrong", result.text);
  if (!server.tls) return report(about, "ok", `${addressOf(server)} accepts connections (${formatMs(result.tcpMs)})`);
  const tls = await tlsProbe(clock, server, { timeoutMs, signal });
  report(about, tls.ok ? "ok" : "wrong", tls.text);
}

/** What a consumer could find there. */
async function checkContents(
  session: Session,
  registry: ConfiguredRegistry,
  about: string,
  report: Report,
): Promise<void> {
  try {
    const names = await session.applications(registry);
    if (names === undefined)
      return report(about, "note", "it cannot list its applications; name one: dubhe ls instances NAME");
    const applications = await applicationsOf(session, registry, []);
    const instances = applications.reduce((sum, one) => sum + one.instances.length, 0);
    const { services } = await servicesOf(session, registry, []);
    const counts = `${counted(applications.length, "application")}, ${counted(instances, "instance")}, ${counted(services.length, "service")}`;
    report(about, applications.length === 0 ? "note" : "ok", `a consumer finds ${counts}`);
    const lost = new Set(services.flatMap((service) => service.applications));
    for (const { application } of applications) lost.delete(application);
    if (lost.size > 0)
      report(
        about,
        "note",
        `mapped, but without instances: ${[...lost].sort().slice(0, 10).join(", ")}${lost.size > 10 ? " …" : ""}`,
      );
  } catch (error) {
    session.signal.throwIfAborted();
    report(about, "wrong", `its contents cannot be listed: ${(error as Error).message}`);
  }
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
