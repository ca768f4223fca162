// Sessions on a real server: frozen, killed, expired, slow, and nodes that older sessions left.
import { createServer } from "node:net";
import { join } from "node:path";
import { confirmed, counted, healthy, instance, opener, pause, sessionOf, shows, until, watchPorts } from "./bench.mjs";
import { openSession } from "./client.mjs";
import { stallableProxy } from "./proxy.mjs";
import { startZookeeper } from "./server.mjs";

const SESSION_MS = 4_000;
const CHANGES = 1_000;

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

  const outsider = await openSession(`${server.url}/dubhe?session=30000`);
  trial.onEnd(() => outsider.close());

  await trial.step(peer, `frozen (SIGSTOP): noticed within two thirds of the session's ${SESSION_MS} ms`, async () => {
    await server.freeze();
    const began = performance.now();
    try {
      for (const registry of both) await healthy(registry, "down", (SESSION_MS * 2) / 3 + 500);
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
      // Longer sessions than the others', since a busy machine may take seconds to start a server.
      const lasting = opener(trial, `${server.url}/dubhe?session=30000&request-timeout=1500`);
      const [one, two] = [lasting().registry, lasting().registry];
      const registration = one.register(instance(1, {}, "lasting"));
      await confirmed(registration);
      const watched = watchPorts(two, "lasting");
      await shows(watched, [1]);
      const ids = [one, two].map((registry) => sessionOf(registry).id);
      const written = async () => JSON.stringify(await outsider.exists("/services/lasting/10.0.0.1:1"), bigints);
      const before = await written();
      await server.kill();
      for (const registry of [one, two]) await healthy(registry, "down", 2_000);
      if (registration.state.value !== "confirmed") throw new Error("a registration was given up");
      await server.restart();
      for (const registry of [one, two]) await healthy(registry, "up", 20_000);
      await recovered();
      const now = [one, two].map((registry) => sessionOf(registry).id);
      if (String(ids) !== String(now)) throw new Error(`sessions ${ids} became ${now}`);
      await shows(watched, [1]);
      await until(
        () => outsider.state.kind === "connected",
        () => "the session of the one who looks",
        10_000,
      );
      if ((await written()) !== before) throw new Error(`the node ${before} became ${await written()}`);
      for (const registry of [one, two]) await registry.close();
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

  await trial.step(peer, `${CHANGES} changes as fast as they go, over broken connections: none is lost`, async () => {
    const writer = await openSession(url);
    const told = watchRounds(consumer.registry, "churn");
    for (let round = 1; round <= CHANGES; round++) {
      const path = `/services/churn/10.0.0.1:${1 + (round % 20)}`;
      const data = Buffer.from(
        JSON.stringify({
          address: "10.0.0.1",
          port: 1 + (round % 20),
          payload: { metadata: { round: String(round) } },
        }),
      );
      const way = round % 7;
      if ((await writer.exists(path)) === undefined) await writer.create(path, data, { ephemeral: true });
      else if (way === 3) await writer.delete(path, -1);
      else await writer.setData(path, data, -1);
      if (round % 150 === 0) consumer.breakConnection();
    }
    const names = await writer.children("/services/churn");
    const last = await Promise.all(
      names.map(
        async (name) => JSON.parse((await writer.getData(`/services/churn/${name}`)).data).payload.metadata.round,
      ),
    );
    const expected = String(last.map(Number).sort((a, b) => a - b));
    await until(
      () => String(told.rounds) === expected,
      () => `the state ${expected}; it is ${told.rounds}`,
      5_000,
    );
    await writer.close();
    await told.watch[Symbol.asyncDispose]();
    seen.errors.length = 0;
    return `${told.lists} lists of ${names.length} instances`;
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
    await outsider.close();
    for (const registry of both) await registry.close();
    const left = {};
    for (const key of ["watch_count", "ephemerals_count"]) left[key] = await counted(server, key);
    left.sessions = ((await server.ask("dump")).match(/^\s+0x[0-9a-f]+$/gm) ?? []).length;
    left.connections = ((await server.ask("cons")).match(/sid=0x/g) ?? []).length;
    if (Object.values(left).some((count) => count !== 0)) throw new Error(JSON.stringify(left));
    return JSON.stringify(left);
  });

  await trial.step(peer, "keeps no process alive, closed or not", async () => {
    const took = [];
    for (const way of ["close", "stay"]) {
      const began = performance.now();
      const child = trial.start(`leave ${way}`, process.execPath, [
        join(import.meta.dirname, "leave.mjs"),
        `${server.url}?session=1000`,
        way,
      ]);
      const end = await child.wait(10_000);
      if (end.code !== 0) throw new Error(`${way}: ${JSON.stringify(end)}\n${child.tail(20)}`);
      took.push(`${way}: ended after ${Math.round(performance.now() - began)} ms`);
      if (way === "close" && (await counted(server, "ephemerals_count")) !== 0) throw new Error("its node is there");
    }
    return took;
  });
}

/** What the newest list says in `round`, sorted. */
function watchRounds(registry, application) {
  const told = { rounds: undefined, lists: 0 };
  told.watch = registry.watch(application, (event) => {
    if (event.kind !== "instances") return;
    told.lists += 1;
    told.rounds = event.instances.map(({ metadata }) => Number(metadata.round)).sort((a, b) => a - b);
  });
  return told;
}

function bigints(_key, value) {
  return typeof value === "bigint" ? String(value) : value;
}
