import type { ConfigurationCenter, ConfigurationEvent } from "@dubhe/discovery";
import type { ConfigListeners } from "./config-listeners.js";
import { configKey } from "./config-service.js";
import { configName } from "./dubbo-names.js";

/** Nacos as configuration centre: dataId = key, group = group. */
export class NacosConfiguration implements ConfigurationCenter {
  readonly #listeners: ConfigListeners;
  readonly #watched = new Map<string, AsyncDisposable>();

  constructor(listeners: ConfigListeners) {
    this.#listeners = listeners;
  }

  watch(group: string, key: string, sink: (event: ConfigurationEvent) => void): AsyncDisposable {
    const name = configName(group, key);
    const id = configKey(name);
    if (this.#watched.has(id)) throw new Error(`${key} of group ${group} is watched already: share the watch`);
    const listening = this.#listeners.listen(name, (event) => {
      if (event.kind === "error") sink(event);
      else sink({ kind: "configuration", epoch: event.epoch, seq: event.seq, value: event.value?.content });
    });
    this.#watched.set(id, listening);
    return {
      [Symbol.asyncDispose]: () => {
        // A second disposal must not let go of a later watch.
        if (this.#watched.get(id) === listening) this.#watched.delete(id);
        return listening[Symbol.asyncDispose]();
      },
    };
  }
}
