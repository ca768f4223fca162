/**
 * The last `capacity` streams that we reset while the peer was still sending: its frames that were under way must be ignored
 * (RFC 9113 §5.1, closed), where the same frames on other closed streams are errors.
 */
export class ResetMemory {
  private readonly capacity: number;
  private readonly ids: Set<number> = new Set();
  private lateFrames = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  add(streamId: number): void {
    if (this.ids.size === this.capacity) this.ids.delete(this.ids.values().next().value!);
    this.ids.add(streamId);
    this.lateFrames += 3;
  }

  /** A frame other than DATA came late. True for three of each reset: response, trailers, RST_STREAM; honest peers send no more. */
  takeLateFrame(): boolean {
    if (this.lateFrames === 0) return false;
    this.lateFrames--;
    return true;
  }

  has(streamId: number): boolean {
    return this.ids.has(streamId);
  }
}
