/** A connection, as its listener's total sees it. */
export interface ReceiveTotalMember {
  /** Payload that waits for its applications. */
  readonly unread: number;
  /** Resets the stream with the most of it; false: there is none. */
  relieve(): boolean;
}

/**
 * Payload that waits for applications on all connections of a listener. Over the limit, whoever holds most loses most:
 * the connection with the most unread bytes resets its stream with the most, until the total fits.
 */
export class ReceiveTotal {
  unread = 0;
  private readonly limit: number;
  private readonly members: Set<ReceiveTotalMember> = new Set();

  constructor(limit: number) {
    this.limit = limit;
  }

  get exceeded(): boolean {
    return this.unread > this.limit;
  }

  join(member: ReceiveTotalMember): void {
    this.members.add(member);
  }

  leave(member: ReceiveTotalMember): void {
    this.members.delete(member);
  }

  relieve(): void {
    while (this.exceeded) {
      let largest: ReceiveTotalMember | undefined;
      for (const member of this.members) {
        if (member.unread > (largest?.unread ?? 0)) largest = member;
      }
      if (largest === undefined || !largest.relieve()) return;
    }
  }
}
