/**
 * The keys of an instance's metadata, as dubbo-go and dubbo-java write and read them (Dubbo 3 service discovery), and
 * ours, which start with `dubhe.`. Every key that goes over a wire is named here and nowhere else.
 */
export const MetadataKey = {
  /** Revision of the services that the instance exports. `0` or empty: none. `N/A`: unknown. */
  revision: "dubbo.metadata.revision",
  /** Revision of what the instance subscribes to. dubbo-go only; we never read it. */
  subscribedRevision: "dubbo.subscribed-services.revision",
  /** `local` (ask the instance's MetadataService) or `remote` (read the metadata report). Absent means `local`. */
  storageType: "dubbo.metadata.storage-type",
  /** JSON array `[{"port":20000,"protocol":"tri"}]`. */
  endpoints: "dubbo.endpoints",
  /** JSON object of strings: where and how the MetadataService listens. */
  metadataServiceParams: "dubbo.metadata-service.url-params",
  /** `2.0.0` announces MetadataServiceV2; write it only together with protocol `tri` (dubbo-go #2950). */
  metadataVersion: "meta-v",
  cluster: "dubbo.metadata.cluster",
  tag: "dubbo.tag",
  environment: "environment",
  /** Unix milliseconds at which the instance started: warm-up counts from it. */
  timestamp: "timestamp",
  /** Names the process that owns the registration, so that a leftover of our own can be told from a foreign one. */
  owner: "dubhe.owner",
} as const;

/** No services: skip the instance, never ask for this revision. */
export const REVISION_NONE = "0";
/** dubbo-go could not compute one: the instance cannot be resolved. */
export const REVISION_UNKNOWN = "N/A";

/** Instance weight that means "normal". Registries with another scale (Nacos: 1.0) convert at their edge. */
export const DEFAULT_WEIGHT = 100;
export const MAX_WEIGHT = 10_000;
