import type { Random } from "@dubhe/concurrency";
import type { Balancer, BalancerFactory, Candidate } from "./balancer.js";

class Turn {
  readonly candidate: Candidate;
  /** When its next turn is, in virtual time: it comes round `weight` times per unit. */
  due = 0;
  /** Its index in the heap; -1 when absent. */
  index = -1;

  constructor(candidate: Candidate) {
    this.candidate = candidate;
  }
}

/**
 * Weighted round robin as earliest deadline first: each candidate's turn comes every 1/weight. Picks are spread evenly (no
 * bursts to the heavy one) as with Nginx's smooth weighted round robin, at O(log n) instead of O(n). A candidate starts
 * at a random phase, so that many processes that start together do not begin with the same provider.
 */
export class RoundRobin implements Balancer {
  readonly #random: Random;
  readonly #heap: Turn[] = [];
  #now = 0;
  /** Heap entries visited so far, for tests of complexity. */
  steps = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  get size(): number {
    return this.#heap.length;
  }

  add(candidate: Candidate): void {
    const turn = turnOf(candidate);
    if (turn.index >= 0) return;
    // One that only was away for a moment keeps its turn; one that missed turns does not catch up on them.
    if (turn.due <= this.#now) turn.due = this.#now + this.#random.next() / candidate.weight;
    turn.index = this.#heap.length;
    this.#heap.push(turn);
    this.#up(turn.index);
  }

  remove(candidate: Candidate): void {
    const turn = turnOf(candidate);
    const index = turn.index;
    if (index < 0) return;
    turn.index = -1;
    const last = this.#heap.pop() as Turn;
    if (last === turn) return;
    this.#heap[index] = last;
    last.index = index;
    this.#up(index);
    this.#down(last.index);
  }

  reweigh(candidate: Candidate): void {
    const turn = turnOf(candidate);
    if (turn.index < 0) return;
    turn.due = Math.min(turn.due, this.#now + 1 / candidate.weight);
    this.#up(turn.index);
  }

  pick(): Candidate | undefined {
    const turn = this.#heap[0];
    if (turn === undefined) return undefined;
    this.#now = turn.due;
    turn.due += 1 / turn.candidate.weight;
    this.#down(0);
    return turn.candidate;
  }

  #up(start: number): void {
    const heap = this.#heap;
    const turn = heap[start] as Turn;
    let index = start;
    while (index > 0) {
      this.steps += 1;
      const parentIndex = (index - 1) >> 1;
      const parent = heap[parentIndex] as Turn;
      if (parent.due <= turn.due) break;
      heap[index] = parent;
      parent.index = index;
      index = parentIndex;
    }
    heap[index] = turn;
    turn.index = index;
  }

  #down(start: number): void {
    const heap = this.#heap;
    const turn = heap[start] as Turn;
    let index = start;
    for (;;) {
      this.steps += 1;
      let childIndex = 2 * index + 1;
      let child = heap[childIndex];
      if (child === undefined) break;
      const right = heap[childIndex + 1];
      if (right !== undefined && right.due < child.due) {
        child = right;
        childIndex += 1;
      }
      if (child.due >= turn.due) break;
      heap[index] = child;
      child.index = index;
      index = childIndex;
    }
    heap[index] = turn;
    turn.index = index;
  }
}

function turnOf(candidate: Candidate): Turn {
  if (candidate.balancerState instanceof Turn) return candidate.balancerState;
  const turn = new Turn(candidate);
  candidate.balancerState = turn;
  return turn;
}

export const roundRobin: BalancerFactory = ({ random }) => new RoundRobin(random);
