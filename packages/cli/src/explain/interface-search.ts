import { matches, type ServiceRef } from "@dubhe/discovery";
import type { ConfiguredRegistry } from "dubhe/tools";
import type { Session } from "../session.js";
import { type Candidate, instanceWord, someOf } from "./candidates.js";
import type { Findings } from "./explanation.js";
import { mismatch } from "./mismatch.js";

/** The way of interface-level discovery (registry-type interface or all): the registry itself lists the providers. */
export async function searchInterface(
  session: Session,
  registry: ConfiguredRegistry,
  ref: ServiceRef,
  findings: Findings,
): Promise<readonly Candidate[]> {
  const { id } = registry.use.registry;
  const list = await session.providers(registry, ref);
  if (list === undefined) {
    findings.wrong("mapping", `${id} has no interface-level discovery; use registry-type=service`);
    return [];
  }
  for (const { id: entry, reason } of list.malformed.slice(0, 3))
    findings.note("instances", `provider ${entry} cannot be read: ${reason}`);
  if (list.providers.length === 0) {
    findings.wrong("mapping", `no provider: nobody registers the interface ${ref.service} itself in ${id}`);
    return [];
  }
  const fitting = list.providers.filter(({ service }) => matches(service, ref));
  if (fitting.length === 0) {
    const offered = list.providers.map(({ service }) => service);
    findings.ok("mapping", `${id} lists ${instanceWord(list.providers.length)} of ${ref.service} by interface`);
    findings.wrong("service", mismatch(ref, offered, `what ${id} lists by interface`));
    return [];
  }
  const instances = fitting.map(({ instance }) => instance);
  findings.ok("mapping", `${id} lists ${instanceWord(instances.length)} by interface: ${someOf(instances)}`);
  for (const step of ["instances", "metadata", "service"] as const) findings.passed(step);
  return fitting.map(({ instance, service }) => ({ registryId: id, instance, service }));
}
