/**
 * The one session of a registry, which is replaced by the next one for ever.
 *
 *     connecting ──(handshake done)──▶ up ──(lost)──▶ waiting ──(delay over)──▶ connecting
 *     connecting ──(failed)──▶ waiting
 *     any ──close()──▶ closed
 */
export type SessionState =
  | {
      readonly kind: "connecting";
      readonly since: number;
      readonly server: string | undefined;
      readonly lastError: Error | undefined;
    }
  | {
      readonly kind: "up";
      readonly since: number;
      readonly server: string;
      readonly epoch: number;
      readonly connectionId: string;
    }
  | {
      readonly kind: "waiting";
      readonly since: number;
      readonly error: Error;
      readonly failures: number;
      readonly retryInMs: number;
    }
  | { readonly kind: "closed"; readonly since: number };
