import {
  type MappingEntry,
  type MetadataInfo,
  type MetadataReport,
  parseMetadataInfo,
  stringifyMetadataInfo,
} from "@dubhe/discovery";
import type { ConfigKeeper } from "./config-keeper.js";
import type { ConfigService } from "./config-service.js";
import { DEFAULT_GROUP } from "./messages.js";
import type { NacosSession } from "./session.js";

/**
 * Metadata of storage type `remote`, in Nacos's configurations: dataId = application, group = revision, as dubbo-java and
 * dubbo-go write it. dubbo-go writes a second copy under `application:revision`, which is read when the first is missing.
 */
export class NacosMetadataReport implements MetadataReport {
  readonly #session: NacosSession;
  readonly #service: ConfigService;
  readonly #keeper: ConfigKeeper;

  constructor(session: NacosSession, service: ConfigService, keeper: ConfigKeeper) {
    this.#session = session;
    this.#service = service;
    this.#keeper = keeper;
  }

  async fetch(application: string, revision: string, signal: AbortSignal): Promise<MetadataInfo | undefined> {
    await this.#session.ready(signal);
    const value =
      (await this.#service.query({ group: revision, dataId: application }, signal)) ??
      (await this.#service.query({ group: DEFAULT_GROUP, dataId: `${application}:${revision}` }, signal));
    if (value === undefined) return undefined;
    const parsed = parseMetadataInfo(value.content);
    if (!parsed.ok) throw new Error(`metadata of ${application}, revision ${revision}: ${parsed.reason}`);
    return parsed.info;
  }

  publish(info: MetadataInfo): MappingEntry {
    const text = stringifyMetadataInfo(info);
    return this.#keeper.keep({ group: info.revision, dataId: info.app }, (content) =>
      content === text ? undefined : text,
    );
  }
}
