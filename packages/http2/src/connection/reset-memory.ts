const CAPACITY = 1_024;

/**
 * The last streams that we reset while the peer was still sending: its frames that were under way must be ignored
 * (RFC 9113 §5.1, closed), where the same frames on other closed streams are errors.
 */
export class ResetMemory {
  private readonly ids: Set<number> = new Set();

  add(streamId: number): void {
    if (this.ids.size === CAPACITY) this.ids.delete(this.ids.values().next().value!);
    this.ids.add(streamId);
  }

  has(streamId: number): boolean {
    return this.ids.has(streamId);
  }
}
