import type { AttemptOutcome, ChannelCall } from "../channel.js";

/** Attempts of one call, the first included, that may follow one another without being a retry (nothing was processed). */
export const MAX_ATTEMPTS = 5;

/**
 * Whether the channel should take over a call whose attempt ended. Only what the peer provably did not process is
 * replayed. No work is repeated, so no retry budget applies; replays are paced by capacity, since they go through the queue.
 */
export function mayReplay(call: ChannelCall, outcome: AttemptOutcome): boolean {
  return outcome.replayable && call.attempts < MAX_ATTEMPTS;
}
