// Sessions on a real server: frozen, killed, expired, slow, and nodes that older sessions left.
import { createServer } from "node:net";
import { confirmed, counted, healthy, instance, opener, pause, sessionOf, shows, until, watchPorts } from "./bench.mjs";
import { openSession } from "./client.mjs";
import { stallableProxy } from "./proxy.mjs";
import { startZookeeper } from "./server.mjs";

const SESSION_MS = 4_000;

export async function sessionSteps(trial, version) {
  const server = await startZookeeper({ version });
  trial.onEnd(() => server.stop());
  const url = `${server.url}/dubhe?session=${SESSION_MS}&request-timeout=1500`;
  const open = opener(trial, url);
  const peer = `ZooKeeper ${version}`;
  const [provider, consumer] = [open(), open()];
  const registrations = [1, 2, 3].map((port) => provider.registry.register(instance(port, { "dubhe.owner": "me" })));
  for (const registration of registrations) await confirmed(registration);
  const seen = watchPorts(consumer.registry, "shop");
  await shows(seen, [1, 2, 3]);
  const both = [provider.registry, consumer.registry];
  const recovered = async () => {
    for (const registry of both) await healthy(registry, "up", 20_000);
    for (const registration of registrations) await confirmed(registration);
    await shows(seen, [1, 2, 3]);
    if (seen.errors.length === 0) throw new Error("the watcher was told no error");
    seen.errors.length = 0;
  };

  await trial.step(peer, `frozen (SIGSTOP): noticed within the session's ${SESSION_MS} ms`, async () => {
    server.freeze();
    const began = performance.now();
    try {
      for (const registry of both) await healthy(registry, "down", SESSION_MS + 500);
      const ms = Math.round(performance.now() - began);
      await pause(1_000);
      if (seen.ports.length !== 3) throw new Error(`the last list did not stand: ${seen.ports}`);
      return `${ms} ms; ${consumer.registry.health.value.error.message}`;
    } finally {
      server.thaw();
    }
  });
  await trial.step(peer, "thawed: everything is as it was", recovered);

  await trial.step(
    peer,
    "killed (-9) and restarted with its data: the same sessions, nothing written again",
    async () => {
      const ids = both.map((registry) => sessionOf(registry).id);
      await server.kill();
      for (const registry of both) await healthy(registry, "down", 2_000);
      if (registrations.some(({ state }) => state.value !== "confirmed"))
        throw new Error("a registration was given up");
      await server.restart();
      await recovered();
      const now = both.map((registry) => sessionOf(registry).id);
      if (String(ids) !== String(now)) throw new Error(`sessions ${ids} became ${now}`);
      return `sessions ${now.join(", ")}`;
    },
  );

  await trial.step(peer, "ends the sessions (expiry): new ones, registered and watched again", async () => {
    const before = both.map((registry) => sessionOf(registry).id);
    await provider.expire();
    await consumer.expire();
    await until(
      () => both.every((registry, n) => sessionOf(registry).id !== before[n]),
      () => "new sessions",
      10_000,
    );
    await recovered();
    const late = provider.registry.register(instance(9));
    await confirmed(late);
    await shows(seen, [1, 2, 3, 9]);
    await late[Symbol.asyncDispose]();
    await shows(seen, [1, 2, 3]);
    return `${before.join(", ")} became ${both.map((registry) => sessionOf(registry).id).join(", ")}`;
  });

  await trial.step(
    peer,
    "holds a leftover of an older session: replaced in place, and it outlives that session (D-48)",
    async () => {
      const old = await openSession(url);
      const body = { name: "shop", id: "10.0.0.1:5", address: "10.0.0.1", port: 5 };
      const data = Buffer.from(JSON.stringify({ ...body, payload: { metadata: { "dubhe.owner": "me" } } }));
      await old.create("/services/shop/10.0.0.1:5", data, { ephemeral: true });
      await shows(seen, [1, 2, 3, 5]);
      const from = seen.lists;
      const registration = provider.registry.register(instance(5, { "dubhe.owner": "me", round: "2" }));
      await confirmed(registration);
      await pause(300);
      const lists = seen.lists - from;
      await old.close();
      await pause(500);
      await shows(seen, [1, 2, 3, 5], 100);
      await registration[Symbol.asyncDispose]();
      await shows(seen, [1, 2, 3]);
      return `${lists} lists to the watcher`;
    },
  );

  await trial.step(peer, "holds a foreign owner's: left, and replaced when it goes", async () => {
    const other = open();
    const theirs = other.registry.register(instance(6, { "dubhe.owner": "other" }));
    await confirmed(theirs);
    const ours = provider.registry.register(instance(6, { "dubhe.owner": "me" }));
    await until(
      () => ours.state.value === "failed",
      () => "being refused",
      10_000,
    );
    const { message } = ours.error;
    if (!message.includes("held by another owner, other")) throw new Error(message);
    await other.registry.close();
    const ms = await confirmed(ours);
    await ours[Symbol.asyncDispose]();
    return `"${message}"; confirmed ${ms} ms after it had gone`;
  });

  await trial.step(
    peer,
    "behind a proxy that goes silent: another address takes over, in the same session",
    async () => {
      const [first, second] = [await stallableProxy(server.port), await stallableProxy(server.port)];
      trial.onEnd(() => first.close());
      trial.onEnd(() => second.close());
      const servers = [first, second].map(({ port }) => ({ host: "127.0.0.1", port }));
      const client = open("&timeout=1000", { servers });
      const registration = client.registry.register(instance(7));
      await confirmed(registration);
      await shows(seen, [1, 2, 3, 7]);
      const { id, server: address, connects } = sessionOf(client.registry);
      const [used, other] = address.endsWith(`:${first.port}`) ? [first, second] : [second, first];
      used.stall();
      const ms = await until(
        () => sessionOf(client.registry).connects > connects,
        () => `another connection: ${JSON.stringify(sessionOf(client.registry))}`,
        SESSION_MS,
      );
      const now = sessionOf(client.registry);
      if (now.id !== id || !now.server.endsWith(`:${other.port}`)) throw new Error(JSON.stringify(now));
      if (registration.state.value !== "confirmed") throw new Error("the registration was given up");
      used.flow();
      await client.registry.close();
      await shows(seen, [1, 2, 3]);
      return `session ${id} moved from ${address} to ${now.server} after ${ms} ms`;
    },
  );

  await trial.step(peer, "beside one that takes connections and never answers, and one that refuses", async () => {
    const mute = createServer((socket) => socket.on("error", () => {}));
    await new Promise((resolve) => mute.listen(0, "127.0.0.1", resolve));
    trial.onEnd(() => mute.close());
    const ports = [mute.address().port, 1, server.port];
    const client = open("&timeout=500", { servers: ports.map((port) => ({ host: "127.0.0.1", port })) });
    const ms = await healthy(client.registry, "up", 5_000);
    await client.registry.close();
    return `up after ${ms} ms`;
  });

  await trial.step(peer, "slow: 150 ms each way", async () => {
    const slow = await stallableProxy(server.port, { delayMs: 150 });
    trial.onEnd(() => slow.close());
    const client = open("", { servers: [{ host: "127.0.0.1", port: slow.port }] });
    const ms = await confirmed(client.registry.register(instance(8)));
    await client.registry.close();
    return `registered after ${ms} ms`;
  });

  await trial.step(peer, "has nothing of us after close", async () => {
    for (const registry of both) await registry.close();
    const left = {};
    for (const key of ["watch_count", "ephemerals_count"]) left[key] = await counted(server, key);
    left.sessions = ((await server.ask("dump")).match(/^\s+0x[0-9a-f]+$/gm) ?? []).length;
    left.connections = ((await server.ask("cons")).match(/sid=0x/g) ?? []).length;
    if (Object.values(left).some((count) => count !== 0)) throw new Error(JSON.stringify(left));
    return JSON.stringify(left);
  });
}
