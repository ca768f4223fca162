import { nameProblem, valueProblemOf } from "./field-rules.js";

/** RFC 7541 §4.1, and the same in SETTINGS_MAX_HEADER_LIST_SIZE (RFC 9113 §6.5.2). */
export const ENTRY_OVERHEAD: number = 32;

/** One field of the static or a dynamic table. Validity is judged here once, so that indexed fields cost nothing. */
export class TableEntry {
  readonly name: string;
  readonly value: string;
  readonly size: number;
  readonly pseudo: boolean;
  /** Why the name alone is malformed (RFC 9113 §8.2). */
  readonly nameProblem: string | undefined;
  /** Why the field is malformed. */
  readonly problem: string | undefined;

  constructor(name: string, value: string, knownName?: TableEntry) {
    this.name = name;
    this.value = value;
    this.size = name.length + value.length + ENTRY_OVERHEAD;
    this.pseudo = name.charCodeAt(0) === 0x3a;
    this.nameProblem = knownName === undefined ? nameProblem(name) : knownName.nameProblem;
    this.problem = this.nameProblem ?? valueProblemOf(name, value);
  }
}
