import { effectiveVersion, type InterfaceRef } from "@dubhe/discovery";
import type { ConfigName } from "./config-service.js";

/*
 * Names as dubbo-java's wrappers of the Nacos client write them: Nacos takes few characters, so `$` of an inner class becomes `___`
 * and, among configurations, `/` becomes `-`. dubbo-go writes names as they are, and is refused where Nacos refuses.
 */

export function configName(group: string, dataId: string): ConfigName {
  return { group: plain(group), dataId: plain(dataId) };
}

function plain(name: string): string {
  return name.replaceAll("$", "___").replaceAll("/", "-");
}

const CATEGORY = "providers";

/** A service of Nacos that stands for an interface: `providers:com.Foo:1.0.0:blue`, with all the colons. */
export interface InterfaceServiceName {
  readonly service: string;
  readonly version: string;
  readonly group: string;
}

export function interfaceServiceName({ service, version, group }: InterfaceServiceName): string {
  return inner([CATEGORY, service, version, group].join(":"));
}

function inner(name: string): string {
  return name.replaceAll("$", "___");
}

/** Whether a service stands for an interface, or for its consumers, and not for an application. */
export function isInterfaceService(name: string): boolean {
  return name.startsWith(`${CATEGORY}:`) || name.startsWith("consumers:");
}

/** What is no name of an interface's providers gives undefined. The interface comes with `___` for `$`. */
export function parseInterfaceServiceName(name: string): InterfaceServiceName | undefined {
  const [category, service, version = "", group = "", ...more] = name.split(":");
  if (category !== CATEGORY || service === undefined || service === "" || more.length > 0) return undefined;
  return { service, version, group };
}

/** Whether `ref` stands for more services than can be named. */
export function hasWildcard({ group, version }: InterfaceRef): boolean {
  return group === "*" || group.includes(",") || version === "*";
}

/**
 * The services that a reference without wildcards stands for: the name that is written today, and the one of dubbo-java before
 * 2.7.6, without colons for what is absent. Version `0.0.0` and none are the same.
 */
export function interfaceServiceNames({ service, group, version }: InterfaceRef): readonly string[] {
  const names = new Set<string>();
  const versions = effectiveVersion(version) === "" ? ["", version] : [version];
  for (const one of new Set(versions)) {
    names.add(interfaceServiceName({ service, version: one, group }));
    names.add(inner([CATEGORY, service, one, group].filter((part) => part !== "").join(":")));
  }
  return [...names];
}

/** Whether providers that `ref` asks for may be found under the name. */
export function mayOffer(name: string, ref: InterfaceRef): boolean {
  const parsed = parseInterfaceServiceName(name);
  if (parsed === undefined || parsed.service !== inner(ref.service)) return false;
  // In a name without all its colons one cannot tell a version from a group: then whoever reads the providers decides.
  if (name.split(":").length < 4) return true;
  const { version, group } = parsed;
  return (
    (ref.version === "*" || effectiveVersion(ref.version) === effectiveVersion(version)) &&
    (ref.group === "*" || ref.group.split(",").includes(group))
  );
}
