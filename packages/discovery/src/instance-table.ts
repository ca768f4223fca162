import { type Instance, instanceKey, sameInstance } from "./instance.js";
import { type EntryKind, type ListChange, ListTable, type ListTableOptions } from "./list-table.js";

/** `removed` has `host:port`. */
export type InstanceChange = ListChange<Instance>;

const INSTANCES: EntryKind<Instance> = { key: instanceKey, same: sameInstance };

/** The instances of one application. */
export class InstanceTable extends ListTable<Instance> {
  constructor(options: ListTableOptions) {
    super(options, INSTANCES);
  }
}
