import type { MetadataStore } from "@dubhe/discovery";
import { Code, RpcError, type ServiceImpl } from "@dubhe/rpc";
import type { MetadataServiceV2 } from "../../gen/metadata_service_v2_pb.js";
import { toMessage } from "./metadata-message.js";

/** Answers for the last 16 revisions: a consumer may still hold an older one than we are at (D-36). */
export function metadataService(store: MetadataStore): ServiceImpl<typeof MetadataServiceV2> {
  return {
    getMetadataInfo({ revision }) {
      const info = store.get(revision);
      if (info === undefined) {
        const known = store.revisions.join(", ") || "none yet";
        throw new RpcError(`no metadata of revision "${revision}"; this process has ${known}`, Code.NotFound);
      }
      return toMessage(info);
    },
  };
}
