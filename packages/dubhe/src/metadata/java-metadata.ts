import { createServiceInfo, type MetadataInfo, matchKey, parseMetadataInfo, type ServiceInfo } from "@dubhe/discovery";
import type * as Hessian from "@dubhe/hessian2";

// hessian2 is loaded for those who meet a peer that speaks V1: hence a parameter.
type Hessian2 = typeof Hessian;

/** The Java class of the result of MetadataService V1. */
export const metadataInfoClass = "org.apache.dubbo.metadata.MetadataInfo";

const serviceFields = ({ name, group, version, protocol, port, path, params }: ServiceInfo) => ({
  name,
  group,
  version,
  protocol,
  port,
  path,
  params,
});

/** As dubbo-java and dubbo-go write it; the map of services is keyed as theirs. */
export function toJava({ javaObject }: Hessian2, info: MetadataInfo): Hessian.JavaObject {
  const services = new Map(
    info.services.map((service) => [
      matchKey(service),
      javaObject(`${metadataInfoClass}$ServiceInfo`, serviceFields(service)),
    ]),
  );
  const { app, revision, tag } = info;
  return javaObject(metadataInfoClass, { app, revision, ...(tag === undefined ? undefined : { tag }), services });
}

/**
 * A MetadataInfo object, or the JSON text of one, which some versions of dubbo-java answer. Read leniently, as JSON is: what
 * cannot be used is left out.
 *
 * @throws Error when it is neither.
 */
export function fromJava({ JavaObject, toPlain }: Hessian2, value: unknown, revision: string): MetadataInfo {
  if (value === null) throw new Error(`the provider has no metadata of revision ${revision}`);
  if (typeof value !== "string" && !(value instanceof JavaObject)) {
    throw new Error(`the provider answers with a ${Array.isArray(value) ? "list" : typeof value}, not with metadata`);
  }
  const plain = toPlain(value);
  if (typeof plain !== "string" && (typeof plain !== "object" || plain === null)) {
    throw new Error(`the provider answers with a ${(value as Hessian.JavaObject).className}, not with metadata`);
  }
  const parsed = parseMetadataInfo(plain);
  if (!parsed.ok) throw new Error(parsed.reason);
  return { ...parsed.info, services: parsed.info.services.map(createServiceInfo) };
}
