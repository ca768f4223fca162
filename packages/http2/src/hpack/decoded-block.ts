import type { FieldList, HeaderBlock } from "../types.js";

/** What the decoder makes of a block. A repeated block may be the same object again (`memo` included): never mutate it. */
export class DecodedBlock implements HeaderBlock {
  readonly fields: FieldList;
  /** How many fields, from the first on, are pseudo-header fields. Their names, number and role are the engine's to judge. */
  readonly pseudoFields: number;
  /** Size by RFC 9113 §6.5.2: octets of names and values, and 32 a field. */
  readonly size: number;
  /** Over the limit: `fields` lacks what did not fit. The tables are in step, so this is an error of the stream only. */
  readonly tooLarge: boolean;
  /**
   * Why the block is malformed by RFC 9113 §8.2 or §8.3 (names, values, connection-specific fields, a pseudo-header field
   * after a regular one): an error of the stream. Undefined = none of these.
   */
  readonly malformed: string | undefined;
  memo: unknown = undefined;

  constructor(fields: FieldList, pseudoFields: number, size: number, tooLarge: boolean, malformed: string | undefined) {
    this.fields = fields;
    this.pseudoFields = pseudoFields;
    this.size = size;
    this.tooLarge = tooLarge;
    this.malformed = malformed;
  }
}
