import { asArray, asBoolean, asNumber, asObject, asString, isObject, type JsonObject } from "../json.js";
import { RequestType } from "../messages.js";
import { firstParamProblem, instanceProblem, isBlank, unlessBlank } from "../param-rules.js";
import { Failure, type Handler, type HostClient, Refusal, SUCCESS } from "./host-request.js";
import { beatProblem, type HostInstance, readHostInstance, serviceInfoOf } from "./instance-body.js";
import type { NamingChange, NamingStore, ServiceName } from "./naming-store.js";

const DEFAULT_PAGE_SIZE = 10;

/** The naming module of Nacos, in its ephemeral part: what connections publish, and who is subscribed. */
export function namingHandlers(store: NamingStore, apply: (change: NamingChange) => void): Record<string, Handler> {
  const publish = (client: HostClient, service: ServiceName, instances: readonly HostInstance[], now: number): void => {
    apply(store.publish({ service, owner: client.id, pid: client.pid, confirmed: true, instances }, now));
  };

  return {
    [RequestType.instance]: (client, body, now) => {
      const service = readService(body);
      const type = asString(body.type);
      if (!isObject(body.instance)) throw new Failure(400, 400, "Instance can not be null.");
      const instance = checkedInstance(body.instance, service);
      checkAlone(instance);
      if (type === "registerInstance") publish(client, service, [instance], now);
      // Whatever the instance: a connection has one publication per service, and this withdraws it (as the server does).
      else if (type === "deregisterInstance") publish(client, service, [], now);
      else throw new Failure(400, 400, `Unsupported request type ${type}`);
      return { ...SUCCESS, type };
    },

    [RequestType.batchInstance]: (client, body, now) => {
      const service = readService(body);
      const type = asString(body.type);
      if (type !== "batchRegisterInstance") throw new Failure(400, 400, `Unsupported request type ${type}`);
      publish(
        client,
        service,
        asArray(body.instances).map((item) => checkedInstance(asObject(item), service)),
        now,
      );
      return { ...SUCCESS, type };
    },

    [RequestType.persistentInstance]: () => {
      throw new Failure(
        500,
        501,
        "The embedded registry keeps no persistent instances: register ephemeral ones, or run a Nacos server.",
      );
    },

    [RequestType.subscribeService]: (client, body, now) => {
      const service = readService(body);
      const clusters = asString(body.clusters);
      if (asBoolean(body.subscribe, true)) {
        const view = store.subscribe(client.id, service, clusters, now);
        return { ...SUCCESS, message: "success", serviceInfo: serviceInfoOf(view, clusters, false) };
      }
      store.unsubscribe(client.id, service, now);
      return { ...SUCCESS, message: "success", serviceInfo: serviceInfoOf(store.view(service, now), clusters, false) };
    },

    [RequestType.serviceQuery]: (_client, body, now) => {
      const view = store.view(readService(body), now);
      return {
        ...SUCCESS,
        serviceInfo: serviceInfoOf(view, asString(body.cluster), asBoolean(body.healthyOnly, false)),
      };
    },

    [RequestType.serviceList]: (_client, body) => {
      const page = Math.max(1, asNumber(body.pageNo, 1));
      const { count, names } = store.list(
        asString(body.namespace),
        asString(body.groupName),
        page,
        asNumber(body.pageSize, DEFAULT_PAGE_SIZE),
      );
      return { ...SUCCESS, count, serviceNames: names };
    },
  };
}

function readService(body: JsonObject): ServiceName {
  const namespace = asString(body.namespace);
  const group = asString(body.groupName);
  const name = asString(body.serviceName);
  const problem = firstParamProblem([
    ["namespaceId/tenant", unlessBlank(namespace)],
    ["group", unlessBlank(group)],
    ["serviceName", unlessBlank(name)],
  ]);
  if (problem !== undefined) throw new Refusal(400, `Param check invalid:${problem}`);
  if (isBlank(name)) throw new Failure(500, 500, "Param 'serviceName' is illegal, serviceName is blank");
  if (isBlank(group)) throw new Failure(500, 500, "Param 'groupName' is illegal, groupName is blank");
  return { namespace, group, name };
}

function checkedInstance(object: JsonObject, service: ServiceName): HostInstance {
  const instance = readHostInstance(object, service);
  const { ip, clusterName } = instance;
  const problem = instanceProblem({ ...instance, ip: unlessBlank(ip), clusterName: unlessBlank(clusterName) });
  if (problem !== undefined) throw new Refusal(400, `Param check invalid:${problem}`);
  return instance;
}

/** A server checks more of an instance that comes alone than of those in a batch. */
function checkAlone({ metadata, clusterName }: HostInstance): void {
  const problem = beatProblem(metadata);
  if (problem !== undefined) throw new Failure(400, 400, problem);
  if (!/^[0-9a-zA-Z-]+$/.test(clusterName)) {
    throw new Failure(
      400,
      400,
      `Instance 'clusterName' should be characters with only 0-9a-zA-Z-. (current: ${clusterName})`,
    );
  }
}
