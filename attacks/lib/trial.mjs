// One attack, measured: windows without it and windows under it by turns, and what must hold (README.md).
import { setTimeout as sleep } from "node:timers/promises";
import { Program } from "./program.mjs";

const MIB = 1024 * 1024;
/** Pairs of windows; up to so many while the share is not clear, so that noise averages out; the length of a window. */
const PAIRS = 3;
const MOST_PAIRS = 9;
const CLEAR_SHARE = 0.75;
const WINDOW_MS = 300;
const LAST_WINDOW_MS = 150;
const WARM_MS = 200;
/** From the begin of a round to its window, and from its end to the next. */
const ONSET_MS = 60;
const SETTLE_MS = 80;
/** How long the server may take to let go of everything once its peers are gone. */
const FREED_MS = 5_000;
const CLIENT_CONNECTIONS = 4;
const LEAST_SHARE = 0.5;
/** Bounds of what an attack may add to the server; a case may state others, with the reason. */
const RSS_MIB = 64;
const LIVE_MIB = 8;
/** Heap and buffers count what was set aside and never written, and what is not collected yet. */
const GARBAGE_FACTOR = 2;

export const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

/** Plain numbers of `inspect()`, by their own name, added up. */
export function countersIn(value, into = {}) {
  for (const [name, item] of Object.entries(value ?? {})) {
    if (typeof item === "number") into[name] = (into[name] ?? 0) + item;
    else if (typeof item === "object" && !Array.isArray(item)) countersIn(item, into);
  }
  return into;
}

/**
 * @returns `{ failures, share, peakMib, heapMib, liveMib, tally, moved, cpu, seconds }`: `share` is the median of calls under attack to calls without,
 * `peakMib` and `heapMib` the growth of the process's RSS and of its heap and buffers at the worst, `liveMib` what lives on after it and a collection
 */
export async function tryAttack(name, attack, { certificate }) {
  const began = Date.now();
  const programs = [];
  const start = (...args) => {
    programs.push(new Program(...args));
    return programs.at(-1);
  };
  const failures = [];
  const expect = (holds, text) => holds || failures.push(text);
  try {
    const tls = attack.tls === true ? certificate : undefined;
    const server = start("server", "server.mjs", [
      ...(tls ? ["--tls-cert", tls.cert, "--tls-key", tls.key] : []),
      ...(attack.options ? ["--options", JSON.stringify(attack.options)] : []),
    ]);
    const attacker = start("attacker", "attacker.mjs", [name, ...(tls ? ["--tls"] : [])]);
    const port = await server.ready();
    const hostilePort = await attacker.ready();
    const clients = start("clients", "clients.mjs", [
      ...["--port", port],
      ...(tls ? ["--tls-ca", tls.cert] : []),
      ...(attack.slowMs === undefined ? [] : ["--think", "15"]),
      ...(hostilePort === "" ? [] : ["--hostile-port", hostilePort]),
    ]);
    await clients.ready();
    /** Whose memory is bounded: the server's, or, when the attack is a server, the clients'. */
    const victim = hostilePort === "" ? server : clients;
    const quiet = [];
    const attacked = [];
    const window = async (into, ms = WINDOW_MS) => {
      const { done, errors } = await clients.ask("window", { ms });
      into.push(done);
      if (errors.length > 0) failures.push(`${errors.length} errors of well-behaved calls, as: ${errors[0]}`);
    };

    await clients.ask("window", { ms: WARM_MS });
    await window(quiet);
    const before = countersIn(await server.ask("inspect"));
    const baseline = await victim.ask("memory", { collect: true });
    await victim.ask("reset");
    let cpu = 0;
    const round = async (windows) => {
      await attacker.ask("begin", { port: Number(port) });
      await sleep(ONSET_MS);
      const from = await victim.ask("memory");
      const first = attacked.length;
      do await window(attacked);
      while (attacked.length - first < windows && !(await attacker.ask("finished")));
      cpu = ((await victim.ask("memory")).cpuMs - from.cpuMs) / ((attacked.length - first) * WINDOW_MS);
      await attacker.ask("end");
      await sleep(SETTLE_MS);
    };
    const byTurns = attack.slowMs === undefined;
    const share = () => median(pairwise(attacked, quiet, byTurns));
    if (byTurns) {
      // Two more at a time: the median is one of them.
      const unclear = () => attacked.length % 2 === 0 || (attacked.length < MOST_PAIRS && share() < CLEAR_SHARE);
      while (attacked.length < PAIRS || unclear()) {
        if (attacked.length > 0) await window(quiet);
        await round(1);
      }
    } else {
      for (let i = 1; i < PAIRS; i++) await window(quiet);
      await round(Math.ceil(attack.slowMs / WINDOW_MS));
      // The machine may have been busier before than after.
      for (let i = 0; i < PAIRS; i++) await window(quiet);
    }
    const peak = await victim.ask("memory");

    const { tally, failures: faults } = await attacker.ask("report");
    for (const fault of faults) failures.push(`the attack itself failed: ${fault}`);
    const state = await freed(server, CLIENT_CONNECTIONS);
    expect(
      state.connections === CLIENT_CONNECTIONS,
      `${state.connections} connections are left, not ${CLIENT_CONNECTIONS}`,
    );
    await window([], LAST_WINDOW_MS);
    const moved = difference(countersIn(await server.ask("inspect")), before);
    const hostile = await clients.ask("hostile");
    const { errors } = await clients.ask("stop");
    if (errors.length > 0) failures.push(`${errors.length} errors of well-behaved calls at the end: ${errors[0]}`);
    const rest = await freed(server, 0);
    expect(
      rest.connections === 0 && rest.activeCalls === 0,
      `left: ${rest.connections} connections, ${rest.activeCalls} calls`,
    );
    const after = await victim.ask("memory", { collect: true });

    for (const complaint of rest.complaints) failures.push(`a warning of the server: ${complaint}`);
    for (const { name: program, complaints } of programs) {
      if (complaints !== "") failures.push(`${program} wrote to stderr: ${complaints.slice(0, 500)}`);
    }
    const outcome = {
      share: share(),
      peakMib: (peak.peakRss - baseline.rss) / MIB,
      heapMib: (peak.peakHeap - baseline.heap) / MIB,
      liveMib: (after.heap - baseline.heap) / MIB,
      tally,
      moved,
      hostile,
      cpu,
    };
    judge(attack, outcome, expect);
    return { ...outcome, failures: [...new Set(failures)], seconds: (Date.now() - began) / 1000 };
  } catch (error) {
    return { failures: [...failures, String(error.stack ?? error)], seconds: (Date.now() - began) / 1000 };
  } finally {
    await Promise.all(programs.map((program) => program.stop()));
  }
}

function judge(attack, { share, peakMib, heapMib, liveMib, tally, moved, hostile }, expect) {
  expect(
    share >= LEAST_SHARE,
    `well-behaved clients completed ${(share * 100).toFixed(0)} % of their undisturbed calls`,
  );
  const rss = attack.rssMib ?? RSS_MIB;
  expect(peakMib <= rss, `the process grew by ${peakMib.toFixed(0)} MiB, above ${rss}`);
  const heap = GARBAGE_FACTOR * rss;
  expect(heapMib <= heap, `heap and buffers grew by ${heapMib.toFixed(0)} MiB, above ${heap}`);
  const live = attack.liveMib ?? LIVE_MIB;
  expect(liveMib <= live, `${liveMib.toFixed(1)} MiB live on after the attack, above ${live}`);
  for (const [what, least] of Object.entries(attack.sees ?? {})) {
    expect((tally[what] ?? 0) >= least, `the attacker saw ${tally[what] ?? 0} of "${what}", not ${least} or more`);
  }
  const forms = Array.isArray(attack.stopped) ? attack.stopped : Object.keys(attack.stopped ?? {});
  for (const form of forms) expect(tally[`stopped: ${form}`] > 0, `no GOAWAY stopped this form: ${form}`);
  for (const what of attack.never ?? []) expect(tally[what] === undefined, `the attacker saw "${what}"`);
  for (const counter of attack.counters ?? []) {
    expect((moved[counter] ?? 0) > 0, `the server's counter "${counter}" did not move`);
  }
  if (attack.serve !== undefined) {
    const seen = Object.keys(hostile.errors);
    expect(seen.length > 0 || attack.harmless === true, "no call to the hostile server failed");
    for (const text of seen) expect(attack.errors.test(text), `a call to the hostile server failed with: ${text}`);
  }
  attack.check?.({ tally, moved, hostile, expect });
}

/** Until no more than `connections` are left, or the time is over; `inspect()` of then. */
async function freed(server, connections) {
  const until = Date.now() + FREED_MS;
  for (;;) {
    const state = await server.ask("inspect");
    const calls = connections === 0 ? state.activeCalls : 0;
    if ((state.connections <= connections && calls === 0) || Date.now() > until) return state;
    await sleep(50);
  }
}

/** Each window under attack against the one before it; one long attack against the median without. */
function pairwise(attacked, quiet, byTurns) {
  const usual = median(quiet);
  return attacked.map((done, i) => done / (byTurns ? quiet[i] : usual));
}

function difference(after, before) {
  const moved = {};
  for (const [name, value] of Object.entries(after)) {
    if (value !== (before[name] ?? 0)) moved[name] = value - (before[name] ?? 0);
  }
  return moved;
}
