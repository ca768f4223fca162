// What the peers cannot do among themselves: left out, made possible, or allowed for. Each with the reason and how it was seen.

const GO = ["dubbo-go 3.3.2", "dubbo-go 3.3.2 tri", "dubbo-go 3.3.0"];
const JAVA = ["dubbo-java 3.3.6", "dubbo-java 3.2.19"];

/** `when`: values of axes; a configuration that has them all is left out, of one `kind` only where it says so. */
export const EXCLUDED = [
  {
    what: "dubbo-java calls an address where nobody listens yet",
    when: { peer: JAVA, role: "consumer", registry: "direct", first: "consumer" },
    reason: "it tries an address that refused it again only after a minute.",
    seen: 'a dubbo-java client before a dubbo-java server of its own version, `--url … --wait 20s`: "No provider available … validInvokers: 0, invokersToReconnect: 1".',
  },
  {
    what: "dubbo-go discovers, by instance on etcd, an application that has no instance yet",
    when: { peer: GO, role: "consumer", registry: "etcd", mode: "instance", first: "consumer" },
    reason: "it does not go on watching an application of which it found no instance.",
    seen: "`--match '^calls: dubbo-go .* calls .*etcd, .*by instance, none, consumer first' --against itself`, with all three: no call succeeds within 40 s.",
  },
  {
    what: "a provider is replaced while dubbo-go finds it by interface on etcd",
    kind: "rolling",
    when: { peer: GO, role: "consumer", registry: "etcd", mode: ["interface", "all"] },
    reason: "no listener of dubbo-go's gets etcd's DELETE events: it goes on calling providers that have left.",
    seen: "`--match '^rolling: dubbo-go .* calls .*etcd, .*by (interface|all)' --against itself`: 200 of 4 476 calls failed (3.3.2, by interface), 2 075 of 5 239 (3.3.0, by both). By instance it is told over the connection, and that is in the matrix.",
  },
  {
    what: "a provider is replaced while dubbo-go 3.3.0 finds it by instance on etcd",
    kind: "rolling",
    when: { peer: "dubbo-go 3.3.0", role: "consumer", registry: "etcd", mode: "instance" },
    reason: "it does not hear of every change: it goes on calling a provider that has left. 3.3.2 hears of them.",
    seen: "`--match '^rolling: dubbo-go 3.3.0 calls .*etcd, .*by instance' --against itself`: the new provider gets no call within a minute.",
  },
];

/** `when`: configurations whose provider, told to stop, closes connections with calls in flight. */
export const DROPS = [
  {
    what: "dubbo-java does not wait for calls in flight when it stops",
    when: { peer: JAVA, role: "provider" },
    reason:
      "it closes its connections within half a second of SIGTERM; until then it may answer that it has no such service.",
    seen: "a call of a second, 300 ms old when the server gets SIGTERM, from an HTTP/2 client that is nobody's: 3.2.19 sends GOAWAY and closes 2 ms later, 3.3.6 closes without. dubbo-java's own consumer loses calls as well (`--match '^rolling: dubbo-java .* called .*zookeeper, .*by interface' --against itself`: 3 of 8 771, 4 of 7 629).",
  },
  {
    what: "dubbo-go 3.3.0 does not take its instance back when it stops",
    when: { peer: "dubbo-go 3.3.0", role: "provider", mode: ["instance", "all"] },
    reason:
      "it stays in the registry until its session ends, so that calls go to it until it resets them and closes; 3.3.2 takes it back.",
    seen: "its `serviceDiscoveryRegistry.UnRegister` returns nil and does nothing. Its own consumer loses calls as well: 1 519 of 5 791 on ZooKeeper by both (`--match '^rolling: dubbo-go 3.3.0 called .*zookeeper, .*by all, group' --against itself`).",
  },
  {
    what: "dubbo-go cannot take back what it registered by interface on etcd",
    when: {
      peer: GO,
      role: "provider",
      registry: "etcd",
      mode: ["interface", "all"],
    },
    reason: "its entry stays until its lease ends, so that calls go to it until its connections close.",
    seen: 'its log on SIGTERM: "unRegister consumer url failed … DoUnregister is not support in etcdV3Registry".',
  },
];

/** What is done for the peers' sake. */
export const FIXTURES = [
  {
    what: "dubbo-go 3.3.0's providers come last on each registry",
    reason:
      "their instances stay after them (see above), and dubbo-go's consumers ask each of an application's instances for metadata, six seconds for one that is dead, before they use any.",
    seen: '"can not connect to remote metadata service host: …, skipping this instance", for half a minute.',
  },
  {
    what: "entries that dubbo-go providers left on etcd by interface are deleted before each configuration",
    reason:
      "they stay after the provider until its lease ends, see above, and dubbo-go's consumers go on calling them.",
    seen: 'without that, between dubbo-go and dubbo-go: "dial tcp …: connect: connection refused" on four of eleven calls.',
  },
  {
    what: "dubbo-go 3.3.0's application has another name when group and version are set",
    reason:
      "its revision is made of interface and method names only, and it does not write metadata of a revision that ZooKeeper has already: an application that is deployed again with another group keeps the old one there.",
    seen: "metadata/info/metadata_info.go and metadata/report/zookeeper/report.go of dubbo-go 3.3.0.",
  },
  {
    what: "the mapping on etcd is empty before a provider that starts first, and names its application before one that starts second",
    reason:
      "dubbo-go adds a name to a mapping that names others only if nothing at all was written to the store since it was (it compares the key's revision with the store's), and its consumers on etcd never hear of a mapping that changes.",
    seen: '"update mapping /dubbo/mapping/greet.GreetService: service-app mapping CAS conflict", upon which the provider ends; "etcd metadata report does not support service mapping listener".',
  },
  {
    what: "a successor runs for a second before its predecessor is told to stop",
    reason:
      "dubbo-go on ZooKeeper lists an application's instances and then reads each; when one vanishes in between it believes that there is none, until the next event.",
    seen: '`QueryForInstances` of 3.3.0 and of 3.3.2: "could not query the instances for service", and up to three calls with "No provider available" where the predecessor was stopped as soon as the successor had answered.',
  },
  {
    what: "dubbo-java's JVM is told that it has 16 processors",
    reason:
      "3.2.19 waits in a network thread, for three seconds, when it connects again to a server that said GOAWAY; connections that share the thread stand still meanwhile, and with two processors there are three threads.",
    seen: "NettyConnectionHandler.reconnect → NettyConnectionClient.doConnect → DefaultPromise.awaitUninterruptibly in the stack of NettyClientWorker-2-2, and eight calls to another server that timed out.",
  },
];

/** `when`: consumers that call one revision of an application at a time. */
export const ONE_REVISION = [
  {
    what: "dubbo-go 3.3.0 calls instances of one revision at a time: the predecessor is stopped before its successor must answer",
    when: { peer: "dubbo-go 3.3.0", role: "consumer", mode: ["instance", "all"] },
    reason:
      "of an application's revisions with the same service it keeps the instances of one, whichever its map yields last, until it hears of instances again. 3.3.2 calls them all.",
    seen: '`newServiceURLs[serviceInfo.GetMatchKey()] = urls` in its ServiceInstancesChangedListenerImpl.OnEvent; its log: "instance list size 2", the new revision\'s metadata read, and no invoker for it as long as the old instance is there, in about half of the runs.',
  },
];

export const callsOneRevision = (config) => ONE_REVISION.some(({ when }) => matches(config, when));
export const reasonAgainst = (config, kind) =>
  EXCLUDED.find((entry) => (entry.kind === undefined || entry.kind === kind) && matches(config, entry.when))?.reason;
export const reasonToDrop = (config) => DROPS.find(({ when }) => matches(config, when))?.reason;

const matches = (config, when) =>
  Object.entries(when).every(([axis, values]) => [values].flat().includes(config[axis]));
