/** Dubbo's configuration centre, as far as a registry is one: read and followed, never written. */
export interface ConfigurationCenter {
  /**
   * As `Registry.watch`; at most once for a (group, key) at a time. An entry that does not exist is `undefined`, not an error.
   * Where it is: Nacos dataId = key and group = group; ZooKeeper `/dubbo/config/<group>/<key>`; etcd the same path.
   */
  watch(group: string, key: string, sink: (event: ConfigurationEvent) => void): AsyncDisposable;
}

export type ConfigurationEvent =
  | {
      readonly kind: "configuration";
      readonly epoch: number;
      readonly seq: number;
      readonly value: string | undefined;
    }
  | { readonly kind: "error"; readonly epoch: number; readonly error: Error };
