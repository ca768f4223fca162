import { asArray, asBoolean, asObject, asString, type JsonObject } from "../json.js";
import { ErrorCode, RequestType } from "../messages.js";
import { firstParamProblem, isBlank, unlessBlank } from "../param-rules.js";
import type { ConfigName, ConfigStore } from "./config-store.js";
import { type Handler, Refusal, SUCCESS } from "./host-request.js";

/** The configuration module of Nacos: query, publish (with CAS), remove, listen. */
export function configHandlers(store: ConfigStore, changed: (name: ConfigName) => void): Record<string, Handler> {
  return {
    [RequestType.configQuery]: (_client, body) => {
      const entry = store.get(readName(body, { lastModified: 0, beta: false }));
      if (entry === undefined) {
        throw new Refusal(ErrorCode.configNotFound, "config data not exist", { lastModified: 0, beta: false });
      }
      const { content, contentType, md5, lastModified } = entry;
      return { ...SUCCESS, content, encryptedDataKey: "", contentType, md5, lastModified, beta: false };
    },

    [RequestType.configPublish]: (_client, body, now) => {
      const name = readName(body);
      const content = asString(body.content);
      if (isBlank(name.dataId)) throw new Refusal(400, `invalid dataId : ${name.dataId}`);
      if (isBlank(name.group)) throw new Refusal(400, `invalid group : ${name.group}`);
      if (isBlank(content)) throw new Refusal(400, `content is blank : ${content}`);
      const type = asString(asObject(body.additionMap).type);
      const result = store.publish(name, content, CONTENT_TYPES.has(type) ? type : "text", asString(body.casMd5), now);
      if (result === "refused") throw new Refusal(500, "Cas publish fail, server md5 may have changed.");
      if (result === "published") changed(name);
      return SUCCESS;
    },

    [RequestType.configRemove]: (_client, body, now) => {
      const name = readName(body);
      if (store.remove(name, now)) changed(name);
      return SUCCESS;
    },

    [RequestType.configBatchListen]: (client, body) => {
      const listen = asBoolean(body.listen, true);
      const contexts = asArray(body.configListenContexts).map((item) => {
        const context = asObject(item);
        return { name: readName(context, { changedConfigs: [] }), md5: asString(context.md5) };
      });
      const changedConfigs: ConfigName[] = [];
      for (const { name, md5 } of contexts) {
        if (!listen) store.unlisten(client.id, name);
        else if (store.listen(client.id, name, md5))
          changedConfigs.push({ group: name.group, dataId: name.dataId, tenant: name.tenant });
      }
      return { ...SUCCESS, changedConfigs };
    },
  };
}

/** What a server takes for a type; anything else becomes text. */
const CONTENT_TYPES: ReadonlySet<string> = new Set([
  "properties",
  "xml",
  "json",
  "text",
  "html",
  "yaml",
  "toml",
  "unset",
]);

function readName(body: JsonObject, extra: object = {}): ConfigName {
  const name = { tenant: asString(body.tenant), group: asString(body.group), dataId: asString(body.dataId) };
  const problem = firstParamProblem([
    ["namespaceId/tenant", unlessBlank(name.tenant)],
    ["dataId", unlessBlank(name.dataId)],
    ["group", unlessBlank(name.group)],
  ]);
  if (problem !== undefined) throw new Refusal(400, `Param check invalid:${problem}`, extra);
  return name;
}
