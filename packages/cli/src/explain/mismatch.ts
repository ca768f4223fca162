import { effectiveVersion, nearest, type ServiceInfo, type ServiceRef, serviceKey } from "@dubhe/discovery";

/**
 * Why none of these is the service that is asked for: which of group, version and protocol differs, and the nearest match; or the
 * name itself. `who` offers them.
 */
export function mismatch(ref: ServiceRef, offered: readonly ServiceInfo[], who: string): string {
  const named = offered.filter(({ name }) => name === ref.service);
  const near = named.toSorted((a, b) => differences(ref, a).length - differences(ref, b).length)[0];
  if (near !== undefined) {
    const differing = differences(ref, near);
    const which = differing.map(([what]) => what).join(" and ");
    const asked = differing.map(([, own]) => own).join(" and ");
    const verb = differing.length > 1 ? "differ" : "differs";
    return `${which} ${verb}: the consumer asks for ${asked}, the nearest match of ${who} is ${serviceKey(near)} over ${near.protocol}`;
  }
  const names = [...new Set(offered.map(({ name }) => name))].sort();
  const similar = nearest(ref.service, names);
  const instead =
    names.length === 0
      ? "it offers nothing"
      : similar === undefined
        ? `it offers ${names.slice(0, 5).join(", ")}${names.length > 5 ? ` and ${names.length - 5} more` : ""}`
        : `nearest match ${similar}`;
  return `${who} does not offer ${ref.service}: ${instead}`;
}

function differences(ref: ServiceRef, service: ServiceInfo): readonly (readonly [string, string])[] {
  const result: [string, string][] = [];
  if (ref.group !== "*" && !ref.group.split(",").includes(service.group))
    result.push(["group", ref.group === "" ? "no group" : `group "${ref.group}"`]);
  if (ref.version !== "*" && effectiveVersion(ref.version) !== effectiveVersion(service.version))
    result.push(["version", ref.version === "" ? "no version" : `version "${ref.version}"`]);
  if (ref.protocol !== "" && ref.protocol !== service.protocol) result.push(["protocol", ref.protocol]);
  return result;
}
