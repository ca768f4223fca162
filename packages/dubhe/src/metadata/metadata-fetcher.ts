import { ClosedError, Shared } from "@dubhe/concurrency";
import {
  type Instance,
  instanceKey,
  type MetadataFetcher,
  type MetadataInfo,
  metadataServiceParamsOf,
} from "@dubhe/discovery";
import type { DubboClient } from "@dubhe/protocol-dubbo";
import {
  createDirectChannel,
  createServiceClient,
  type DirectChannel,
  type Pool,
  type RpcEnvironment,
} from "@dubhe/rpc";
import { MetadataServiceV2 } from "../../gen/metadata_service_v2_pb.js";
import type { ProviderTarget } from "../app-tls.js";
import { fromJava } from "./java-metadata.js";
import { fromMessage } from "./metadata-message.js";
import { MetadataServiceV1, metadataServiceName, metadataServiceV1Version } from "./metadata-service-v1.js";

/** The version under which every Dubbo 3 peer serves MetadataService V2. */
export const metadataServiceVersion = "2.0.0";

/** A connection outlives the fetch by so much, in ms: whoever asks for metadata is about to call the same instance. */
const lingerMs = 1_000;

interface Ask {
  readonly application: string;
  readonly host: string;
  readonly port: number;
  readonly revision: string;
  readonly signal: AbortSignal;
}

/**
 * Asks an instance's MetadataService, ahead of user calls:
 *
 *   protocol `tri`, `meta-v: 2.0.0`   V2, over the shared pool
 *   protocol `tri`                    V1 over Triple, over the shared pool
 *   protocol `dubbo`                  V1 over dubbo://, whatever `meta-v` says: dubbo-go 3.3.0 announced 2.0.0 with it
 *                                     and served V1 (dubbo-go #2950)
 *
 * What only V1 and dubbo:// need is loaded when such an instance is met.
 */
export class MetadataClient {
  readonly #env: RpcEnvironment;
  readonly #target: ProviderTarget;
  readonly #channels: Shared<string, DirectChannel>;
  #dubbo: Promise<DubboClient> | undefined;
  #closed = false;

  constructor(env: RpcEnvironment, pool: Pool, target: ProviderTarget) {
    this.#env = env;
    this.#target = target;
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
    const { application, host } = instance;
    const ask: Ask = { application, host, port: params.port, revision, signal };
    switch (params.protocol) {
      case "tri":
        return params.metadataVersion === metadataServiceVersion ? this.#overTriple(ask) : this.#v1OverTriple(ask);
      case "dubbo":
        return this.#v1OverDubbo(ask);
      default:
        throw new Error(
          `${instanceKey(instance)} serves its metadata over ${params.protocol}; it can be read over tri and dubbo: ` +
            "let the provider set metadata-service-protocol to one of these, or metadata-type: remote",
        );
    }
  };

  async close(): Promise<void> {
    this.#closed = true;
    const dubbo = this.#dubbo;
    // What could not be loaded has nothing to close; who asked was told.
    const closed = dubbo?.then(
      (client) => client.close(),
      () => undefined,
    );
    await Promise.all([this.#channels.close(), closed]);
  }

  /** The fetch has its own limit, which is the signal's. */
  #options({ signal }: Ask): { signal: AbortSignal; timeoutMs: number } {
    return { signal, timeoutMs: Number.POSITIVE_INFINITY };
  }

  #channel({ application, host, port, signal }: Ask): ReturnType<Shared<string, DirectChannel>["acquire"]> {
    return this.#channels.acquire(JSON.stringify([application, host, port]), signal);
  }

  async #overTriple(ask: Ask): Promise<MetadataInfo> {
    using channel = await this.#channel(ask);
    const client = createServiceClient(this.#env, MetadataServiceV2, channel.resource, {
      group: ask.application,
      version: metadataServiceVersion,
      control: true,
    });
    return fromMessage(await client.getMetadataInfo({ revision: ask.revision }, this.#options(ask)));
  }

  async #v1OverTriple(ask: Ask): Promise<MetadataInfo> {
    const hessian = await import("@dubhe/hessian2");
    using channel = await this.#channel(ask);
    const client = createServiceClient(this.#env, MetadataServiceV1, channel.resource, {
      group: ask.application,
      version: metadataServiceV1Version,
      control: true,
    });
    const request = {
      serializeType: "hessian2",
      args: [hessian.encodeValue(ask.revision)],
      argTypes: ["java.lang.String"],
    };
    const { serializeType, data } = await client.getMetadataInfo(request, this.#options(ask));
    if (serializeType !== "" && !serializeType.startsWith("hessian")) {
      throw new Error(`the provider's metadata is serialised as ${serializeType}, not as hessian2`);
    }
    return fromJava(hessian, data.length === 0 ? null : hessian.decodeValue(data), ask.revision);
  }

  async #v1OverDubbo(ask: Ask): Promise<MetadataInfo> {
    const { application, host, port, revision } = ask;
    if (this.#target({ application, host, port }).tls !== undefined) {
      throw new Error(
        `${host}:${port} serves its metadata over dubbo://, which is asked in clear text only, and this application uses ` +
          "TLS: let the provider set metadata-service-protocol: tri, or metadata-type: remote",
      );
    }
    const [hessian, client] = await Promise.all([import("@dubhe/hessian2"), this.#dubboClient()]);
    const value = await client.call(
      { host, port },
      {
        service: metadataServiceName,
        group: application,
        version: metadataServiceV1Version,
        method: "getMetadataInfo",
        parameterTypes: ["java.lang.String"],
        args: [revision],
      },
      this.#options(ask),
    );
    return fromJava(hessian, value, revision);
  }

  #dubboClient(): Promise<DubboClient> {
    if (this.#closed) throw new ClosedError("MetadataClient");
    this.#dubbo ??= import("@dubhe/protocol-dubbo").then(
      ({ DubboClient }) => new DubboClient(this.#env.runtime, { lingerMs }),
    );
    return this.#dubbo;
  }
}
