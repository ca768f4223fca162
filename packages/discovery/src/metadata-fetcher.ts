import type { Instance } from "./instance.js";
import type { MetadataInfo } from "./metadata-info.js";

/**
 * Asks one instance for the metadata of a revision (its MetadataService). Injected: discovery itself opens no sockets.
 * Rejects when the instance cannot be asked, does not know the revision, or `signal` fires.
 */
export type MetadataFetcher = (instance: Instance, revision: string, signal: AbortSignal) => Promise<MetadataInfo>;
