import { create } from "@bufbuild/protobuf";
import { createServiceInfo, type MetadataInfo, matchKey, type ServiceInfo } from "@dubhe/discovery";
import {
  type MetadataInfoV2,
  MetadataInfoV2Schema,
  type ServiceInfoV2,
  ServiceInfoV2Schema,
} from "../../gen/metadata_service_v2_pb.js";

/** Discovery's MetadataInfo as MetadataService V2 carries it; `version` holds the revision. */
export function toMessage(info: MetadataInfo): MetadataInfoV2 {
  const services: Record<string, ServiceInfoV2> = {};
  for (const service of info.services) {
    const { name, group, version, protocol, port, path, params } = service;
    services[matchKey(service)] = create(ServiceInfoV2Schema, {
      name,
      group,
      version,
      protocol,
      port,
      path,
      params: { ...params },
    });
  }
  return create(MetadataInfoV2Schema, { app: info.app, version: info.revision, services, tag: info.tag ?? "" });
}

/** From any peer: a service without a name is left out, a port that is none (Java's -1, Go's 0, garbage) becomes 0. */
export function fromMessage(message: MetadataInfoV2): MetadataInfo {
  const services: ServiceInfo[] = [];
  for (const { name, group, version, protocol, port, path, params } of Object.values(message.services)) {
    if (name === "") continue;
    services.push(
      createServiceInfo({
        name,
        group,
        version,
        protocol,
        port: port > 0 && port <= 65_535 ? port : 0,
        path: path === "" ? name : path,
        params,
      }),
    );
  }
  return {
    app: message.app,
    revision: message.version,
    services,
    ...(message.tag === "" ? undefined : { tag: message.tag }),
  };
}
