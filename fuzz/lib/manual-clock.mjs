/** Virtual time that a harness moves by hand; in order, and without promises. */
export class ManualClock {
  #now = 1_000;
  #timers = [];
  #number = 0;
  #due = [];

  now() {
    return this.#now;
  }

  wallTime() {
    return this.#now;
  }

  setTimeout(fn, delayMs) {
    const timer = { at: this.#now + Math.max(0, delayMs), number: this.#number++, fn };
    this.#timers.push(timer);
    return {
      cancel: () => {
        const index = this.#timers.indexOf(timer);
        if (index >= 0) this.#timers.splice(index, 1);
      },
    };
  }

  nextTurn(fn) {
    return this.setTimeout(fn, 0);
  }

  microtask(fn) {
    this.#due.push(fn);
  }

  get timers() {
    return this.#timers.length;
  }

  /** Runs what is due within `ms`, `turn` after each; stops after `most` timers. */
  advance(ms, turn, most = 10_000) {
    const until = this.#now + ms;
    for (let ran = 0; ran < most; ran++) {
      this.settle();
      const next = this.#timers.reduce(
        (first, timer) =>
          first === undefined || timer.at < first.at || (timer.at === first.at && timer.number < first.number)
            ? timer
            : first,
        undefined,
      );
      if (next === undefined || next.at > until) break;
      this.#timers.splice(this.#timers.indexOf(next), 1);
      this.#now = Math.max(this.#now, next.at);
      next.fn();
      turn();
    }
    this.#now = until;
    this.settle();
  }

  settle() {
    for (let fn = this.#due.shift(); fn !== undefined; fn = this.#due.shift()) fn();
  }
}
