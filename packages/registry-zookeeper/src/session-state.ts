/**
 * What a session is, as its client knows it.
 *
 *     connecting ──accepted──▶ connected ◀──resumed── suspended
 *          │                       └──connection lost──▶ │
 *          │                                             │
 *          └──no server──▶ lost ◀───expired, broken──────┘        any ──close──▶ closed
 *
 * suspended: no server can be reached now. What the session holds (ephemeral nodes, watches) stands, since the servers wait for
 *   `timeoutMs` before they end it; and when all servers are down, nobody ends it.
 * lost: it has ended, and what it held with it: a server said so, or only a new session can go on.
 */
export type SessionState =
  | { readonly kind: "connecting" }
  | { readonly kind: "connected"; readonly session: SessionIdentity }
  | {
      readonly kind: "suspended";
      readonly session: SessionIdentity;
      readonly since: number;
      readonly reason: Error /** By the last server that was tried. */;
      readonly refused: boolean;
    }
  | { readonly kind: "lost"; readonly reason: Error }
  | { readonly kind: "closed" };

export interface SessionIdentity {
  readonly id: bigint;
  readonly password: Uint8Array;
  /** What the server granted. */
  readonly timeoutMs: number;
}

export type SessionInput =
  /** A server answered the handshake. `timeoutMs` 0 = it knows no such session. */
  | { readonly kind: "answered"; readonly session: SessionIdentity }
  /** A connection broke, or could not be made. `refused`: a server hung up on the handshake. */
  | { readonly kind: "disconnected"; readonly now: number; readonly reason: Error; readonly refused: boolean }
  /** Something that a new session alone can mend. */
  | { readonly kind: "broken"; readonly reason: Error }
  /** A first connection could be made to none of the servers. */
  | { readonly kind: "unreachable"; readonly reason: Error }
  | { readonly kind: "close" };

export function isOver(state: SessionState): boolean {
  return state.kind === "lost" || state.kind === "closed";
}

/** The next state; the same object when nothing changes. */
export function nextSessionState(state: SessionState, input: SessionInput): SessionState {
  if (isOver(state)) return state.kind === "lost" && input.kind === "close" ? { kind: "closed" } : state;
  switch (input.kind) {
    case "close":
      return { kind: "closed" };
    case "broken":
      return { kind: "lost", reason: input.reason };
    case "unreachable":
      return state.kind === "connecting" ? { kind: "lost", reason: input.reason } : state;
    case "answered":
      return answered(state, input.session);
    case "disconnected":
      return disconnected(state, input);
  }
}

function answered(state: SessionState, session: SessionIdentity): SessionState {
  if (session.timeoutMs <= 0) return { kind: "lost", reason: new Error("the session has expired") };
  if (state.kind === "suspended" && state.session.id !== session.id)
    return { kind: "lost", reason: new Error("the server gave another session") };
  return { kind: "connected", session };
}

function disconnected(state: SessionState, input: SessionInput & { readonly kind: "disconnected" }): SessionState {
  if (state.kind === "connected")
    return { kind: "suspended", session: state.session, since: input.now, reason: input.reason, refused: false };
  if (state.kind !== "suspended") return state;
  return { ...state, reason: input.reason, refused: input.refused };
}

/**
 * Whether to ask a server for the session without saying what it has seen. A server hangs up on one that has seen more than itself:
 * one that lags behind does so for a while, one that has lost its data for ever, and one without a quorum hangs up on everybody.
 * Asked like this after the timeout, the second says that there is no such session; nobody else's answer does any harm.
 */
export function isDoubtful(state: SessionState, now: number): boolean {
  return state.kind === "suspended" && state.refused && now - state.since > state.session.timeoutMs;
}
