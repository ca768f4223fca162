import type { Runtime } from "@dubhe/concurrency";
import {
  type MappingEntry,
  type MetadataInfo,
  type MetadataReport,
  parseMetadataInfo,
  stringifyMetadataInfo,
} from "@dubhe/discovery";
import type { ConfigKeeper } from "./config-keeper.js";
import type { ConfigName, ConfigService } from "./config-service.js";
import { configName } from "./dubbo-names.js";
import { NacosError, toError } from "./errors.js";
import { DEFAULT_GROUP } from "./messages.js";
import { retried } from "./retried.js";
import type { NacosSession } from "./session.js";

/**
 * Metadata of storage type `remote`, in Nacos's configurations: dataId = application, group = revision, as dubbo-java and
 * dubbo-go write it. dubbo-go keeps a second copy under `application:revision`, as we do; it is read when the first is missing.
 *
 * Nacos's gRPC protocol cannot list configurations, so what is kept cannot be listed, nor collected, by its clients: `revisions` and
 * `remove` are absent.
 */
export class NacosMetadataReport implements MetadataReport {
  readonly #runtime: Runtime;
  readonly #session: NacosSession;
  readonly #service: ConfigService;
  readonly #keeper: ConfigKeeper;

  constructor(runtime: Runtime, session: NacosSession, service: ConfigService, keeper: ConfigKeeper) {
    this.#runtime = runtime;
    this.#session = session;
    this.#service = service;
    this.#keeper = keeper;
  }

  /** What is wrong with one place matters when the other one does not give the metadata either. */
  async fetch(application: string, revision: string, signal: AbortSignal): Promise<MetadataInfo | undefined> {
    await this.#session.ready(signal);
    let problem: unknown;
    for (const name of [javaName(application, revision), goName(application, revision)]) {
      try {
        const value = await retried(this.#runtime, () => this.#service.query(name, signal), signal);
        if (value === undefined) continue;
        const parsed = parseMetadataInfo(value.content);
        if (parsed.ok) return parsed.info;
        problem ??= new Error(`metadata of ${application}, revision ${revision}: ${parsed.reason}`);
      } catch (error) {
        if (!(error instanceof NacosError)) throw error;
        problem ??= error;
      }
    }
    if (problem !== undefined) throw toError(problem);
    return undefined;
  }

  publish(info: MetadataInfo): MappingEntry {
    const text = stringifyMetadataInfo(info);
    const { app, revision } = info;
    const demand = (content: string | undefined): string | undefined =>
      content === text || isRenewed(content, info) ? undefined : text;
    return new BothEntries(
      this.#keeper.keep(javaName(app, revision), demand),
      this.#keeper.keep(goName(app, revision), demand),
    );
  }
}

/** Somebody has published the same, and said so later than we did. */
function isRenewed(content: string | undefined, info: MetadataInfo): boolean {
  const parsed = parseMetadataInfo(content);
  if (!parsed.ok || (parsed.info.lastUpdatedTime ?? 0) < (info.lastUpdatedTime ?? 0)) return false;
  const { lastUpdatedTime: _, ...untimed } = info;
  const time = parsed.info.lastUpdatedTime;
  return content === stringifyMetadataInfo(time === undefined ? untimed : { ...untimed, lastUpdatedTime: time });
}

function javaName(application: string, revision: string): ConfigName {
  return configName(revision, application);
}

function goName(application: string, revision: string): ConfigName {
  return configName(DEFAULT_GROUP, `${application}:${revision}`);
}

/** Every consumer reads the first; the second is for dubbo-go before 3.1, and never keeps anybody waiting. */
class BothEntries implements MappingEntry {
  readonly #first: MappingEntry;
  readonly #second: MappingEntry;

  constructor(first: MappingEntry, second: MappingEntry) {
    this.#first = first;
    this.#second = second;
  }

  get state(): MappingEntry["state"] {
    return this.#first.state;
  }

  get error(): Error | undefined {
    return this.#first.error;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#first[Symbol.asyncDispose](), this.#second[Symbol.asyncDispose]()]);
  }
}
