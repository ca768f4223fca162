import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isDoubtful, isOver, nextSessionState, type SessionInput, type SessionState } from "./session-state.js";

const session = { id: 5n, password: new Uint8Array(16), timeoutMs: 6_000 };
const reason = new Error("reset");
const connecting: SessionState = { kind: "connecting" };
const connected: SessionState = { kind: "connected", session };
const suspended: SessionState = { kind: "suspended", session, since: 1_000, reason, refused: false };
const lossAt = (now: number, refused = false): SessionInput => ({ kind: "disconnected", now, reason, refused });

test("the arrows of the diagram", () => {
  const cases: readonly (readonly [SessionState, SessionInput, SessionState["kind"]])[] = [
    [connecting, { kind: "answered", session }, "connected"],
    [connecting, lossAt(1), "connecting"],
    [connecting, { kind: "unreachable", reason }, "lost"],
    [connected, lossAt(1), "suspended"],
    [connected, { kind: "broken", reason }, "lost"],
    [connected, { kind: "unreachable", reason }, "connected"],
    [suspended, { kind: "answered", session }, "connected"],
    [suspended, { kind: "answered", session: { ...session, timeoutMs: 0 } }, "lost"],
    [suspended, { kind: "answered", session: { ...session, id: 6n } }, "lost"],
    // However long nobody can be reached: when all servers are down, nobody ends the session.
    [suspended, lossAt(1e9), "suspended"],
    [suspended, lossAt(6_500, true), "suspended"],
    [suspended, lossAt(1e9, true), "suspended"],
    [connected, { kind: "close" }, "closed"],
    [suspended, { kind: "close" }, "closed"],
  ];
  for (const [state, input, kind] of cases)
    assert.equal(nextSessionState(state, input).kind, kind, `${state.kind} + ${input.kind}`);
});

test("a session is in doubt when a server refuses it after its timeout", () => {
  const refused = nextSessionState(suspended, lossAt(2_000, true));
  assert.equal(isDoubtful(refused, 7_000), false);
  assert.equal(isDoubtful(refused, 7_001), true);
  assert.equal(isDoubtful(nextSessionState(refused, lossAt(8_000)), 9_000), false, "nobody was reached since");
  for (const state of [connecting, connected, suspended]) assert.equal(isDoubtful(state, 1e9), false);
});

test("what is over stays over, and a suspension keeps its beginning", () => {
  const input = fc.oneof(
    fc.constant<SessionInput>({ kind: "answered", session }),
    fc.record({ now: fc.nat(), refused: fc.boolean() }).map(({ now, refused }) => lossAt(now, refused)),
    fc.constant<SessionInput>({ kind: "broken", reason }),
    fc.constant<SessionInput>({ kind: "unreachable", reason }),
    fc.constant<SessionInput>({ kind: "close" }),
  );
  fc.assert(
    fc.property(fc.array(input), (inputs) => {
      let state: SessionState = connecting;
      for (const one of inputs) {
        const next = nextSessionState(state, one);
        if (isOver(state)) assert.ok(isOver(next));
        if (state.kind === "suspended" && next.kind === "suspended") assert.equal(next.since, state.since);
        if (next.kind === "suspended") assert.notEqual(state.kind, "connecting");
        state = next;
      }
    }),
  );
});
