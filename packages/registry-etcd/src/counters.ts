/** Plain counters; read them, never write them. */
export interface EtcdCounters {
  /** Connections made, and those that ended otherwise than by closing. */
  links: number;
  linksLost: number;
  connectFailures: number;
  sessions: number;
  sessionsLost: number;
  requests: number;
  failedRequests: number;
  probes: number;
  /** Asked of a watch stream on which nothing happened. */
  progressRequests: number;
  logins: number;
  leasesGranted: number;
  keepalives: number;
  /** Watches made, and made again where a broken stream had left off. */
  watchesCreated: number;
  watchesResumed: number;
  /** Lists read again because the server had compacted what was missing. */
  relists: number;
  events: number;
  /** Entries removed that hung on our lease without being wanted. */
  swept: number;
}

export function newCounters(): EtcdCounters {
  return {
    links: 0,
    linksLost: 0,
    connectFailures: 0,
    sessions: 0,
    sessionsLost: 0,
    requests: 0,
    failedRequests: 0,
    probes: 0,
    progressRequests: 0,
    logins: 0,
    leasesGranted: 0,
    keepalives: 0,
    watchesCreated: 0,
    watchesResumed: 0,
    relists: 0,
    events: 0,
    swept: 0,
  };
}
