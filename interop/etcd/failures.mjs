// What goes wrong with a single server: it is killed, frozen, forgets a lease, compacts its history; we are suspended, or busy.
import { join } from "node:path";
import { breakableProxy } from "../nacos/proxy.mjs";
import { adminOf } from "./admin.mjs";
import { confirmed, instance, keyOf, open, said } from "./open.mjs";
import { startEtcd } from "./server.mjs";
import { pause, until, watchPorts } from "./wait.mjs";

const TTL_MS = 5_000;
const BURST = 10_000;

export async function failureSteps(trial, version) {
  const server = await startEtcd({ version });
  trial.onEnd(() => server.stop());
  const peer = `etcd ${version}`;
  const admin = adminOf(`127.0.0.1:${server.port}`);
  const url = `${server.url}?session-ttl=${TTL_MS}&timeout=2000`;
  const provider = open(trial, url);
  const proxy = await breakableProxy(server.port, "127.0.0.1");
  trial.onEnd(() => proxy.close());
  const consumer = open(trial, `etcd://127.0.0.1:${proxy.port}?session-ttl=${TTL_MS}&timeout=2000`);
  const registrations = [1, 2, 3].map((port) => provider.register(instance(port)));
  const seen = watchPorts(consumer, "shop");
  const shows = (ports, limitMs) =>
    until(
      () => seen.ports?.join() === ports,
      () => `${ports}: ${said(consumer)()}`,
      limitMs,
    );
  await shows("1,2,3", 10_000);

  await trial.step(
    peer,
    "is killed with -9 and comes back with its data: nothing of ours was gone, nothing is read again",
    async () => {
      const lease = (await admin.get(keyOf(1))).lease;
      const { relists, sessions } = { ...consumer.counters };
      seen.lists = 0;
      await server.restart({ downMs: 1_000 });
      const since = performance.now();
      await until(
        () => provider.health.value.state === "up" && consumer.health.value.state === "up",
        said(provider),
        10_000,
      );
      await admin.put(keyOf(4), JSON.stringify({ Host: "10.0.0.1", Port: 4 }));
      await shows("1,2,3,4", 10_000);
      if (consumer.counters.sessions !== sessions || consumer.counters.relists !== relists)
        throw new Error(said(consumer)());
      if ((await admin.get(keyOf(1)))?.lease !== lease || !confirmed(...registrations))
        throw new Error(said(provider)());
      await admin.delete(keyOf(4));
      await shows("1,2,3", 10_000);
      return `the same lease; a change was seen ${Math.round(performance.now() - since)} ms after the start`;
    },
  );

  await trial.step(
    peer,
    "frozen (SIGSTOP) for longer than a session lives: noticed, an error and no empty list, all back",
    async () => {
      seen.errors.length = 0;
      const began = performance.now();
      await server.freeze();
      // A third of the time to live without a word, and then the limit of a request.
      const noticed = await until(() => seen.errors.length > 0, said(consumer), TTL_MS / 3 + 2_000 + 1_000);
      await until(() => consumer.counters.sessionsLost > 0, said(consumer), 20_000);
      if (seen.ports.length === 0) throw new Error("an empty list");
      await pause(Math.max(0, 9_000 - (performance.now() - began)));
      server.thaw();
      const ms = await until(
        () => confirmed(...registrations) && consumer.health.value.state === "up",
        said(provider),
        20_000,
      );
      await shows("1,2,3", 10_000);
      return [`the watchers were told after ${noticed} ms`, `everything confirmed ${ms} ms after the thaw`];
    },
  );

  await trial.step(peer, "revokes our lease: the keys are back within its time to live (D-55)", async () => {
    const { lease } = await admin.get(keyOf(1));
    await admin.revoke(lease);
    const began = performance.now();
    for (;;) {
      const now = await admin.get(keyOf(1));
      if (now !== undefined && now.lease !== lease) break;
      if (performance.now() - began > TTL_MS) throw new Error(`not within ${TTL_MS} ms: ${said(provider)()}`);
      await pause(20);
    }
    await shows("1,2,3", 10_000);
    return `after ${Math.round(performance.now() - began)} ms`;
  });

  await trial.step(
    peer,
    "a provider suspended (SIGSTOP) for twice the time to live is registered again (D-55)",
    async () => {
      const args = [join(import.meta.dirname, "provider.mjs"), url, "7"];
      const child = trial.start("provider", process.execPath, args, { input: "pipe" });
      await child.waitFor(/confirmed/);
      await shows("1,2,3,7", 10_000);
      process.kill(child.pid, "SIGSTOP");
      const gone = await until(
        () => seen.ports.join() === "1,2,3",
        () => "its lease to end",
        3 * TTL_MS,
      );
      await pause(2 * TTL_MS - gone);
      process.kill(child.pid, "SIGCONT");
      const back = await shows("1,2,3,7", TTL_MS);
      child.process.stdin.end();
      await child.waitFor(/closed/);
      await shows("1,2,3", 1_000);
      return [`gone ${gone} ms after the stop, back ${back} ms after the continuation`, "gone at once when it closed"];
    },
  );

  await trial.step(peer, "compacts what we have not seen: everything is read again (D-56)", async () => {
    const { relists } = { ...consumer.counters };
    proxy.refuse = true;
    proxy.breakAll();
    await admin.put(keyOf(8), JSON.stringify({ Host: "10.0.0.1", Port: 8 }));
    await admin.put(keyOf(9), JSON.stringify({ Host: "10.0.0.1", Port: 9 }));
    await admin.delete(keyOf(8));
    await admin.compact(await admin.revision());
    proxy.refuse = false;
    await shows("1,2,3,9", 10_000);
    await admin.delete(keyOf(9));
    await shows("1,2,3", 10_000);
    if (consumer.counters.relists <= relists) throw new Error(said(consumer)());
    return `${consumer.counters.relists - relists} list`;
  });

  await trial.step(peer, "is set up again from an older copy: noticed, a new session, everything again", async () => {
    await server.restart({ backup: true });
    await until(() => consumer.health.value.state === "up", said(consumer), 10_000);
    for (let n = 0; n < 20; n++)
      await admin.put(keyOf(30 + (n % 2)), JSON.stringify({ Host: "10.0.0.1", Port: 30 + (n % 2) }));
    await shows("1,2,3,30,31", 10_000);
    const { sessions } = { ...consumer.counters };
    await server.restart({ restore: true });
    await shows("1,2,3", 10_000);
    await admin.put(keyOf(32), JSON.stringify({ Host: "10.0.0.1", Port: 32 }));
    await shows("1,2,3,32", 10_000);
    await admin.delete(keyOf(32));
    await shows("1,2,3", 10_000);
    await until(() => confirmed(...registrations), said(provider), 10_000);
    if (consumer.counters.sessions !== sessions + 1) throw new Error(said(consumer)());
  });

  await trial.step(peer, `takes ${BURST} instances at once, while the lease of ${TTL_MS} ms lives`, async () => {
    const { sessions, keepalives } = { ...provider.counters };
    const began = performance.now();
    const many = Array.from({ length: BURST }, (_, n) => provider.register(instance(10_000 + n)));
    await until(() => confirmed(...many), said(provider), 60_000);
    const put = Math.round(performance.now() - began);
    await until(
      () => seen.ports.length === BURST + 3,
      () => `all: ${seen.ports.length}`,
      10_000,
    );
    const visible = Math.round(performance.now() - began);
    // One whole time to live more, so that a keepalive that was late would show.
    await pause(TTL_MS);
    if (provider.counters.sessions !== sessions) throw new Error(`the session was lost: ${said(provider)()}`);
    const alive = provider.counters.keepalives - keepalives;
    seen.lists = 0;
    await Promise.all(many.map((registration) => registration[Symbol.asyncDispose]()));
    await shows("1,2,3", 30_000);
    return [
      `confirmed after ${put} ms, all seen after ${visible} ms, ${alive} keepalives meanwhile`,
      `withdrawn again, told in ${seen.lists} lists`,
    ];
  });

  await trial.step(peer, "has nothing of ours left after close: no key, no lease, no watch", async () => {
    await Promise.all([provider.close(), consumer.close()]);
    const left = async () => ({
      keys: (await admin.list("/services/")).length,
      leases: (await admin.leases()).length,
      watches: await admin.metric("etcd_debugging_mvcc_watcher_total"),
    });
    const began = performance.now();
    let now = await left();
    while (Object.values(now).some((count) => count !== 0)) {
      if (performance.now() - began > 2_000) throw new Error(JSON.stringify(now));
      await pause(20);
      now = await left();
    }
  });
}
