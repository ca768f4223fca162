/** What a list keeps about its member, in the member. */
export interface Listed {
  /** -1 when in no list. */
  listIndex: number;
}

/** An unordered list with O(1) add, remove and access by index: removal moves the last member into the hole. A member is in one list at most. */
export class DenseList<M extends Listed> {
  readonly #members: M[] = [];

  get size(): number {
    return this.#members.length;
  }

  at(index: number): M | undefined {
    return this.#members[index];
  }

  add(member: M): void {
    if (member.listIndex >= 0) return;
    member.listIndex = this.#members.length;
    this.#members.push(member);
  }

  remove(member: M): void {
    const index = member.listIndex;
    if (index < 0 || this.#members[index] !== member) return;
    const last = this.#members.pop() as M;
    if (last !== member) {
      this.#members[index] = last;
      last.listIndex = index;
    }
    member.listIndex = -1;
  }
}
