// Three members on this machine: one of which is killed, is frozen, or was the leader.
import { adminOf } from "./admin.mjs";
import { confirmed, instance, keyOf, open } from "./open.mjs";
import { startEtcd } from "./server.mjs";
import { until, watchPorts } from "./wait.mjs";

const TTL_MS = 10_000;

export async function clusterSteps(trial, version) {
  const peer = `etcd ${version}`;
  const cluster = await startEtcd({
    version,
    members: 3,
    args: ["--heartbeat-interval=100", "--election-timeout=1000"],
  });
  trial.onEnd(() => cluster.stop());
  const url = `${cluster.url}?session-ttl=${TTL_MS}&timeout=2000`;
  const clients = Array.from({ length: 6 }, () => open(trial, url));
  const [provider, ...consumers] = clients;
  const first = provider.register(instance(1));
  const seen = consumers.map((consumer) => watchPorts(consumer, "shop"));
  const state = () => JSON.stringify({ seen, clients: clients.map((client) => client.inspect()) });
  const all = (ports, limitMs = 20_000) =>
    until(() => seen.every((one) => one.ports?.join() === ports), state, limitMs);
  await until(() => confirmed(first), state, 10_000);
  await all("1");

  const alive = () => cluster.servers.filter(({ running, frozen }) => running && frozen !== true);
  const leader = async () => {
    for (const server of alive()) {
      const { header, leader: id } = await adminOf(server.address).status();
      if (header.member_id === id) return server;
    }
    return undefined;
  };
  const usedBy = (server) => clients.filter((client) => client.inspect().session.endpoint === server.address).length;
  const lease = async () => (await adminOf(alive()[0].address).get(keyOf(1)))?.lease;
  const kept = await lease();
  const untouched = async () => {
    if ((await lease()) !== kept) throw new Error(`another lease: ${state()}`);
    if (clients.some(({ counters }) => counters.sessions !== 1)) throw new Error(`a session was lost: ${state()}`);
    if (seen.some(({ ports }) => !ports.includes(1))) throw new Error(`the instance was gone: ${state()}`);
  };

  await trial.step(peer, "spreads the clients over its members", () =>
    cluster.servers.map((server) => `${server.address}: ${usedBy(server)}`),
  );

  await trial.step(peer, "loses its leader by kill -9: the others take over, no session ends", async () => {
    const victim = await leader();
    const users = usedBy(victim);
    await victim.kill();
    const began = performance.now();
    const second = provider.register(instance(2));
    await until(() => confirmed(second), state, 20_000);
    await all("1,2");
    const ms = Math.round(performance.now() - began);
    await untouched();
    victim.spawn();
    await until(() => victim.running, state, 5_000);
    return `${users} of ${clients.length} clients were there; an instance was registered and seen by all ${ms} ms later`;
  });

  await trial.step(peer, "has a member frozen (SIGSTOP): whoever was there moves on, no session ends", async () => {
    // Until the restarted one is a member again, the cluster could not do without another.
    for (const server of cluster.servers) for (const admin = adminOf(server.address); !(await admin.healthy()); );
    const victim = alive().reduce((most, server) => (usedBy(server) > usedBy(most) ? server : most));
    const users = usedBy(victim);
    await victim.freeze();
    victim.frozen = true;
    const began = performance.now();
    const third = provider.register(instance(3));
    await all("1,2,3", 30_000);
    await until(() => confirmed(third) && usedBy(victim) === 0, state, 20_000);
    const ms = Math.round(performance.now() - began);
    await untouched();
    victim.thaw();
    victim.frozen = false;
    return `${users} clients moved; an instance was registered and seen by all ${ms} ms later`;
  });
}
