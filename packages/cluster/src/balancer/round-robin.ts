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
  /** `due` of the heap's entries, side by side: the way down compares many and moves few. */
  #dues = new Float64Array(16);
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
    if (this.#heap.length > this.#dues.length) this.#grow();
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
    const dues = this.#dues;
    const turn = heap[start] as Turn;
    let index = start;
    while (index > 0) {
      this.steps += 1;
      const parent = (index - 1) >> 1;
      if ((dues[parent] as number) <= turn.due) break;
      this.#place(heap[parent] as Turn, index);
      index = parent;
    }
    this.#place(turn, index);
  }

  #down(start: number): void {
    const heap = this.#heap;
    const dues = this.#dues;
    const turn = heap[start] as Turn;
    const { due } = turn;
    let index = start;
    for (;;) {
      this.steps += 1;
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && (dues[child + 1] as number) < (dues[child] as number)) child += 1;
      if ((dues[child] as number) >= due) break;
      this.#place(heap[child] as Turn, index);
      index = child;
    }
    this.#place(turn, index);
  }

  #place(turn: Turn, index: number): void {
    this.#heap[index] = turn;
    this.#dues[index] = turn.due;
    turn.index = index;
  }

  #grow(): void {
    const grown = new Float64Array(this.#dues.length * 2);
    grown.set(this.#dues);
    this.#dues = grown;
  }
}

function turnOf(candidate: Candidate): Turn {
  if (candidate.balancerState instanceof Turn) return candidate.balancerState;
  const turn = new Turn(candidate);
  candidate.balancerState = turn;
  return turn;
}

export const roundRobin: BalancerFactory = ({ random }) => new RoundRobin(random);
