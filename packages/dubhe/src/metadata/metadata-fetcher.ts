import { Shared } from "@dubhe/concurrency";
import {
  type Instance,
  instanceKey,
  type MetadataFetcher,
  type MetadataInfo,
  metadataServiceParamsOf,
} from "@dubhe/discovery";
import {
  createDirectChannel,
  createServiceClient,
  type DirectChannel,
  type Pool,
  type RpcEnvironment,
} from "@dubhe/rpc";
import { MetadataServiceV2 } from "../../gen/metadata_service_v2_pb.js";
import type { ProviderTarget } from "../app-tls.js";
import { fromMessage } from "./metadata-message.js";

/** The version under which every Dubbo 3 peer serves MetadataService V2. */
export const metadataServiceVersion = "2.0.0";

/** A connection outlives the fetch by so much, in ms: whoever asks for metadata is about to call the same instance. */
const lingerMs = 1_000;

/**
 * Asks an instance's MetadataService over the shared pool, ahead of user calls. V2 is called if and only if the instance
 * announces `meta-v: 2.0.0` together with protocol `tri`: dubbo-go 3.3.0 announced the one without the other (dubbo-go #2950).
 */
export class MetadataClient {
  readonly #env: RpcEnvironment;
  readonly #channels: Shared<string, DirectChannel>;

  constructor(env: RpcEnvironment, pool: Pool, target: ProviderTarget) {
    this.#env = env;
    this.#channels = new Shared(env.runtime, {
      lingerMs,
      open: async (key) => {
        const [application, host, port] = JSON.parse(key) as [string, string, number];
        return createDirectChannel(pool, target({ application, host, port }));
      },
      close: async (channel) => channel.close(),
    });
  }

  readonly fetch: MetadataFetcher = async (
    instance: Instance,
    revision: string,
    signal: AbortSignal,
  ): Promise<MetadataInfo> => {
    const params = metadataServiceParamsOf(instance);
    if (!params.ok) throw new Error(`${instanceKey(instance)}: ${params.reason}`);
    if (params.protocol !== "tri" || params.metadataVersion !== metadataServiceVersion) {
      throw new Error(
        `${instanceKey(instance)} serves its metadata over ${params.protocol} in version ${params.metadataVersion} only; ` +
          "let the provider set metadata-service-protocol: tri, or metadata-type: remote",
      );
    }
    using channel = await this.#channels.acquire(
      JSON.stringify([instance.application, instance.host, params.port]),
      signal,
    );
    const client = createServiceClient(this.#env, MetadataServiceV2, channel.resource, {
      group: instance.application,
      version: metadataServiceVersion,
      control: true,
    });
    // The fetch has its own limit, which is the signal's.
    return fromMessage(await client.getMetadataInfo({ revision }, { signal, timeoutMs: Number.POSITIVE_INFINITY }));
  };

  close(): Promise<void> {
    return this.#channels.close();
  }
}
