import {
  addToMapping,
  type MappingEntry,
  type MappingEvent,
  parseMapping,
  type ServiceNameMapping,
} from "@dubhe/discovery";
import type { ConfigKeeper } from "./config-keeper.js";
import type { ConfigListeners } from "./config-listeners.js";
import { configName } from "./dubbo-names.js";

/** Dubbo's place for it: dataId = interface, content = applications with commas between. */
export const MAPPING_GROUP = "mapping";

/** Interface name → applications, in Nacos's configurations. */
export class NacosMapping implements ServiceNameMapping {
  readonly #listeners: ConfigListeners;
  readonly #keeper: ConfigKeeper;
  readonly #watched = new Map<string, AsyncDisposable>();

  constructor(listeners: ConfigListeners, keeper: ConfigKeeper) {
    this.#listeners = listeners;
    this.#keeper = keeper;
  }

  watch(serviceInterface: string, sink: (event: MappingEvent) => void): AsyncDisposable {
    if (this.#watched.has(serviceInterface))
      throw new Error(`the mapping of ${serviceInterface} is watched already: share the watch`);
    const listening = this.#listeners.listen(configName(MAPPING_GROUP, serviceInterface), (event) => {
      if (event.kind === "error") sink(event);
      else
        sink({ kind: "mapping", epoch: event.epoch, seq: event.seq, applications: parseMapping(event.value?.content) });
    });
    this.#watched.set(serviceInterface, listening);
    return {
      [Symbol.asyncDispose]: () => {
        // A second disposal must not let go of a later watch.
        if (this.#watched.get(serviceInterface) === listening) this.#watched.delete(serviceInterface);
        return listening[Symbol.asyncDispose]();
      },
    };
  }

  add(serviceInterface: string, application: string): MappingEntry {
    return this.#keeper.keep(configName(MAPPING_GROUP, serviceInterface), (content) =>
      addToMapping(content, application),
    );
  }
}
