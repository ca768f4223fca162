/** What the total tells when it reaches its limit. */
export interface SendTotalMember {
  totalFull(): void;
}

/** Payload that waits for peers' windows on all connections of a listener: many slow readers together are bounded too. */
export class SendTotal {
  queued = 0;
  private readonly limit: number;
  private readonly members: Set<SendTotalMember> = new Set();

  constructor(limit: number) {
    this.limit = limit;
  }

  get full(): boolean {
    return this.queued >= this.limit;
  }

  /** What a connection may hold although the total is full: its equal part. */
  get share(): number {
    return this.limit / this.members.size;
  }

  join(member: SendTotalMember): void {
    this.members.add(member);
  }

  leave(member: SendTotalMember): void {
    this.members.delete(member);
  }

  add(bytes: number): void {
    const before = this.queued;
    this.queued = before + bytes;
    if (before < this.limit && this.queued >= this.limit) for (const member of this.members) member.totalFull();
  }

  subtract(bytes: number): void {
    this.queued -= bytes;
  }
}
