import { createHash } from "node:crypto";
import { NacosError } from "./errors.js";
import { asString } from "./json.js";
import { type ConfigListenContext, ErrorCode, RequestType, readChangedConfigs } from "./messages.js";
import { firstParamProblem } from "./param-rules.js";
import type { NacosSession } from "./session.js";

export interface ConfigName {
  readonly group: string;
  readonly dataId: string;
}

export interface ConfigValue {
  readonly content: string;
  readonly md5: string;
}

/** `casMd5` for a key that must be absent. A 3.1.0 server lets exactly one of several first writers through (tried). */
export const ABSENT_MD5 = "0";

export function configKey({ group, dataId }: ConfigName): string {
  return `${group}\0${dataId}`;
}

/** The configuration requests of Nacos, each once, without retries. */
export class ConfigService {
  readonly #session: NacosSession;
  readonly #tenant: string;

  constructor(session: NacosSession, tenant: string) {
    this.#session = session;
    this.#tenant = tenant;
  }

  /** Undefined when there is none. The server answers from a dump that trails its database by some 30 to 60 ms, more under load. */
  async query(name: ConfigName, signal?: AbortSignal): Promise<ConfigValue | undefined> {
    try {
      const answer = await this.#session.request(RequestType.configQuery, { ...this.#body(name), tag: "" }, signal);
      const { content } = answer;
      if (typeof content !== "string")
        throw new Error(`the server answered without the content of ${name.dataId} in group ${name.group}`);
      // Never "": published with that condition, our next write would have none, and wipe out what others wrote.
      return { content, md5: asString(answer.md5) || md5Of(content) };
    } catch (error) {
      if (error instanceof NacosError && error.errorCode === ErrorCode.configNotFound) return undefined;
      throw error;
    }
  }

  /** `casMd5`: "" = whatever is there; {@link ABSENT_MD5} = must be absent; else the md5 that must be there. */
  async publish(
    name: ConfigName,
    content: string,
    casMd5: string,
    signal?: AbortSignal,
  ): Promise<"published" | "refused"> {
    const body = { ...this.#body(name), content, casMd5, additionMap: { type: "text" } };
    try {
      await this.#session.request(RequestType.configPublish, body, signal);
      return "published";
    } catch (error) {
      if (casMd5 !== "" && error instanceof NacosError && LOST_RACE.test(error.message)) return "refused";
      throw error;
    }
  }

  async remove(name: ConfigName, signal?: AbortSignal): Promise<void> {
    await this.#session.request(RequestType.configRemove, { ...this.#body(name), tag: "" }, signal);
  }

  /** Adds listeners, or removes them; returns the keys whose content differs from the md5 given. All or none succeed. */
  async listen(
    contexts: readonly (ConfigName & { readonly md5: string })[],
    listen: boolean,
    signal?: AbortSignal,
  ): Promise<ReadonlySet<string>> {
    const configListenContexts: ConfigListenContext[] = contexts.map(({ group, dataId, md5 }) => ({
      group,
      dataId,
      tenant: this.#tenant,
      md5,
    }));
    const body = { module: "config", tenant: this.#tenant, listen, configListenContexts };
    const answer = await this.#session.request(RequestType.configBatchListen, body, signal);
    return new Set(readChangedConfigs(answer).map(configKey));
  }

  #body({ group, dataId }: ConfigName): object {
    return { module: "config", tenant: this.#tenant, group, dataId };
  }
}

/** As the server computes it. */
function md5Of(content: string): string {
  return createHash("md5").update(content).digest("hex");
}

/** A refused CAS has no code of its own: both wordings are those of a 3.1.0 server, the second of its insert. */
const LOST_RACE = /cas publish fail|md5 may have changed|already exist/i;

/** Why the server would refuse the name; one such name in a batch makes it refuse the whole batch (tried). */
export function configNameProblem({ group, dataId }: ConfigName): string | undefined {
  if (dataId === "" || group === "") return "dataId and group must not be empty";
  return firstParamProblem([
    ["dataId", dataId],
    ["group", group],
  ]);
}
