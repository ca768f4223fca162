import { readFileSync } from "node:fs";
import { Session } from "node:inspector";
import { fileURLToPath } from "node:url";

/**
 * V8's precise block coverage of this thread. It counts what is compiled after `start`, so the code under test must be
 * imported later. A look costs about 0.4 ms, hence one look a batch of inputs.
 */
export class Coverage {
  #session = new Session();
  /** By script: one byte a character, 1 = has run. */
  #maps = new Map();
  #wanted;
  #peeked = [];

  /** @param wanted whether the script of this URL counts */
  constructor(wanted) {
    this.#wanted = wanted;
    this.#session.connect();
    this.#post("Profiler.enable");
    this.#post("Profiler.startPreciseCoverage", { callCount: true, detailed: true, allowTriggeredUpdates: false });
  }

  /** Whether new code ran since the last look. It stays new until `look` sees it run again, or `settle`. */
  peek() {
    this.#peeked = this.#take();
    let fresh = false;
    this.#eachRange(this.#peeked, (map, from, to, ran) => {
      for (let i = from; i < to && !fresh; i++) fresh = map[i] === 0 && ran[i - from] === 1;
    });
    return fresh;
  }

  /** What `peek` saw is new no more: code that runs once in a process cannot be had again. */
  settle() {
    this.#paint(this.#peeked);
  }

  /** How many characters of code ran for the first time since the last look. */
  look() {
    return this.#paint(this.#take());
  }

  #paint(scripts) {
    let fresh = 0;
    this.#eachRange(scripts, (map, from, to, ran) => {
      for (let i = from; i < to; i++) {
        if (map[i] === 1 || ran[i - from] === 0) continue;
        map[i] = 1;
        fresh++;
      }
    });
    return fresh;
  }

  /**
   * Calls back for each function that ran and is in no other: its place, and which of its characters did. Functions and
   * their blocks nest, and a block that ran as often as its parent is not listed: so they are painted, inner over outer,
   * not compared.
   */
  #eachRange(scripts, each) {
    for (const script of scripts) {
      const functions = script.functions.sort((a, b) => start(a) - start(b) || end(b) - end(a));
      const map = this.#mapOf(script.url, functions);
      for (let i = 0; i < functions.length; ) {
        const from = start(functions[i]);
        const to = end(functions[i]);
        const ran = new Uint8Array(to - from);
        for (; i < functions.length && start(functions[i]) < to; i++) {
          for (const range of functions[i].ranges) {
            ran.fill(range.count > 0 ? 1 : 0, range.startOffset - from, range.endOffset - from);
          }
        }
        each(map, from, to, ran);
      }
    }
  }

  #take() {
    return this.#post("Profiler.takePreciseCoverage").result.filter((script) => this.#wanted(script.url));
  }

  /** Part of the code, without comments and blanks, that has run, of the scripts that `chosen` matches. */
  report(chosen) {
    const lines = [];
    let ran = 0;
    let all = 0;
    for (const [url, map] of [...this.#maps].sort()) {
      if (!chosen.test(url)) continue;
      const code = isFile(url) ? codeOf(readFileSync(fileURLToPath(url), "utf8")) : new Uint8Array(map.length).fill(1);
      let mine = 0;
      let size = 0;
      for (let i = 0; i < code.length; i++) {
        if (code[i] === 0) continue;
        size++;
        if (map[i] === 1) mine++;
      }
      ran += mine;
      all += size;
      const file = isFile(url) ? url.slice(url.lastIndexOf("/packages/") + 10) : url;
      lines.push({ file, percent: (100 * mine) / Math.max(1, size) });
    }
    return { percent: (100 * ran) / Math.max(1, all), files: lines };
  }

  /** Of a script made at run time only the functions that ran tell the length; it grows as others do. */
  #mapOf(url, functions) {
    let map = this.#maps.get(url);
    if (map !== undefined && isFile(url)) return map;
    const length = isFile(url) ? readFileSync(fileURLToPath(url), "utf8").length : Math.max(...functions.map(end));
    if (map === undefined || map.length <= length) {
      const longer = new Uint8Array(length + 1);
      if (map !== undefined) longer.set(map);
      map = longer;
      this.#maps.set(url, map);
    }
    return map;
  }

  /** In this thread, the session answers at once. */
  #post(method, params) {
    let answer;
    this.#session.post(method, params, (error, result) => {
      if (error !== null) throw error;
      answer = result;
    });
    return answer;
  }
}

/** The codec's functions are made of text: `dubhe-codec:<type>`. */
const isFile = (url) => url.startsWith("file:");
const start = (fn) => fn.ranges[0].startOffset;
const end = (fn) => fn.ranges[0].endOffset;

/** 1 for each character of code. Rough: a comment mark within a string counts as a comment, which is good enough here. */
function codeOf(text) {
  const code = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) code[i] = text.charCodeAt(i) > 0x20 ? 1 : 0;
  for (const match of text.matchAll(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g))
    code.fill(0, match.index, match.index + match[0].length);
  return code;
}
