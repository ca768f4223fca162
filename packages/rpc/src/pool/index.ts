/**
 * Connections, and channels over them.
 *
 * - `Pool`: one per App. Hands out leases of endpoints; equal (address, authority, TLS identity) = the same endpoint.
 * - `Endpoint`: the connections of one provider, oldest filled first. One connect at a time, when calls would wait
 *   otherwise, up to a limit; backoff after a failed one; GOAWAY, idleness and the loss of the last user retire
 *   connections, whose streams finish. GOAWAY "too_many_pings" halves the PINGs of its next connections. Two streams of each are left to control calls.
 * - `WaitQueue`: the only place where calls wait. Whoever frees a stream gives it to the first in line in that turn.
 * - `DirectChannel`: calls to one address. `ClusterChannel` of @dubhe/cluster: calls to a service.
 * - `DedicatedChannel`: one connection outside any pool, for protocols in which the connection is the identity.
 *
 * Start reading at `endpoint.ts`; the life of one connection is `pooled-connection.ts`. Nothing here retries what a peer
 * may have processed: only provably unprocessed attempts are replayed (`replay.ts`), on another connection. Times and limits:
 * docs/connections.md.
 */

export { describeFailure, inWords, tooManyWaiting } from "./channel-errors.js";
export { DedicatedChannel, type DedicatedOptions, type DedicatedState } from "./dedicated-channel.js";
export { createDirectChannel, DirectChannel } from "./direct-channel.js";
export type { Endpoint, EndpointState } from "./endpoint.js";
export type { EndpointLease, EndpointObserver, EndpointUser } from "./endpoint-lease.js";
export type { EndpointSnapshot } from "./endpoint-snapshot.js";
export { addressOf, authorityOf, type EndpointTarget, endpointKey, tlsIdentity } from "./endpoint-target.js";
export { Pool, type PoolSnapshot } from "./pool.js";
export {
  type CloseReason,
  type ConnectHints,
  type Connector,
  http2Connector,
  type PoolCounters,
  type PoolEvent,
  type PoolOptions,
  type PoolSettings,
} from "./pool-options.js";
export { MAX_ATTEMPTS, mayReplay } from "./replay.js";
export {
  createWaitBudget,
  type Lane,
  type Placement,
  type WaitBudget,
  Waiter,
  WaitQueue,
  type WaitQueueOwner,
} from "./wait-queue.js";
