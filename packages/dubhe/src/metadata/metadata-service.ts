import type { MetadataInfo, MetadataStore } from "@dubhe/discovery";
import { Code, RpcError, type ServiceImpl } from "@dubhe/rpc";
import type { MetadataServiceV2 } from "../../gen/metadata_service_v2_pb.js";
import { metadataInfoClass, toJava } from "./java-metadata.js";
import { toMessage } from "./metadata-message.js";
import type { MetadataServiceV1Impl } from "./metadata-service-v1.js";

function infoOf(store: MetadataStore, revision: string): MetadataInfo {
  const info = store.get(revision);
  if (info !== undefined) return info;
  // The text travels in a header, and what is asked for may be of any length.
  const asked = revision.length > 80 ? `${revision.slice(0, 80)}…` : revision;
  const { length } = store.revisions;
  const known = store.revisions.slice(-3).join(", ") || "none yet";
  const others = length > 3 ? ` and ${length - 3} older ones` : "";
  throw new RpcError(`no metadata of revision "${asked}"; this process has ${known}${others}`, Code.NotFound);
}

/** Answers for the last 16 revisions: a consumer may still hold an older one than we are at (D-36). */
export function metadataService(store: MetadataStore): ServiceImpl<typeof MetadataServiceV2> {
  return { getMetadataInfo: ({ revision }) => toMessage(infoOf(store, revision)) };
}

/** dubbo-java's older name of the same. */
const serializations = new Set(["hessian2", "hessian4"]);

/** For consumers that do not know V2: dubbo-java 3.0 to 3.2, and dubbo-go where `meta-v` is not 2.0.0. */
export function metadataServiceV1(store: MetadataStore): MetadataServiceV1Impl {
  return {
    async getMetadataInfo({ serializeType, args }) {
      if (!serializations.has(serializeType)) {
        throw new RpcError(`arguments are serialised as "${serializeType}", not as hessian2`, Code.Unimplemented);
      }
      const [argument] = args;
      if (argument === undefined || args.length !== 1) {
        throw new RpcError(`getMetadataInfo(String) was called with ${args.length} arguments`, Code.InvalidArgument);
      }
      const hessian = await import("@dubhe/hessian2");
      let revision: unknown;
      try {
        revision = hessian.decodeValue(argument);
      } catch (error) {
        throw new RpcError(`the revision cannot be read: ${(error as Error).message}`, Code.InvalidArgument);
      }
      if (typeof revision !== "string") throw new RpcError("the revision is no string", Code.InvalidArgument);
      const data = hessian.encodeValue(toJava(hessian, infoOf(store, revision)));
      return { serializeType, data, type: metadataInfoClass };
    },
  };
}
