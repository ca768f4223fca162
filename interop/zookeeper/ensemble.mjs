// An ensemble of three: sessions move from server to server, and outlive the loss of the quorum.
import { confirmed, healthy, instance, opener, pause, sessionOf, shows, until, watchPorts } from "./bench.mjs";
import { startEnsemble } from "./server.mjs";

const SESSION_MS = 6_000;

export async function ensembleSteps(trial, version) {
  const ensemble = await startEnsemble({ version });
  trial.onEnd(() => ensemble.stop());
  const open = opener(trial, `${ensemble.url}/dubhe?session=${SESSION_MS}`);
  const peer = `ensemble of ZooKeeper ${version}`;
  const [provider, consumer] = [open(), open()];
  const registrations = [1, 2, 3].map((port) => provider.registry.register(instance(port)));
  for (const registration of registrations) await confirmed(registration, 20_000);
  const seen = watchPorts(consumer.registry, "shop");
  await shows(seen, [1, 2, 3]);
  const usedBy = (registry) => ensemble.servers.find(({ port }) => sessionOf(registry).server.endsWith(`:${port}`));

  await trial.step(peer, "the server in use is killed: the session moves, the registrations stand", async () => {
    const { id, connects } = sessionOf(provider.registry);
    const victim = usedBy(provider.registry);
    await victim.kill();
    const ms = await until(
      () => sessionOf(provider.registry).connects > connects && sessionOf(provider.registry).state === "connected",
      () => `another connection: ${JSON.stringify(sessionOf(provider.registry))}`,
      SESSION_MS,
    );
    await healthy(consumer.registry, "up", SESSION_MS);
    if (sessionOf(provider.registry).id !== id) throw new Error("it is another session");
    await pause(500);
    for (const registration of registrations) await confirmed(registration);
    await shows(seen, [1, 2, 3]);
    const late = provider.registry.register(instance(4));
    await confirmed(late);
    await shows(seen, [1, 2, 3, 4]);
    await victim.restart();
    return `session ${id} on another server after ${ms} ms`;
  });

  await trial.step(
    peer,
    "two of three are killed: suspended, longer than the timeout; the same sessions when they are back",
    async () => {
      const ids = [provider, consumer].map(({ registry }) => sessionOf(registry).id);
      const victims = ensemble.servers.slice(0, 2);
      await Promise.all(victims.map((server) => server.kill()));
      for (const { registry } of [provider, consumer]) await healthy(registry, "down", SESSION_MS);
      await pause(SESSION_MS + 1_000);
      if (seen.ports.length !== 4) throw new Error(`the list became ${seen.ports}`);
      await Promise.all(victims.map((server) => server.restart()));
      for (const { registry } of [provider, consumer]) await healthy(registry, "up", 20_000);
      await shows(seen, [1, 2, 3, 4]);
      for (const registration of registrations) await confirmed(registration);
      const late = provider.registry.register(instance(5));
      await confirmed(late);
      await shows(seen, [1, 2, 3, 4, 5]);
      const now = [provider, consumer].map(({ registry }) => sessionOf(registry).id);
      if (String(now) !== String(ids)) throw new Error(`sessions ${ids} became ${now}`);
      return `${SESSION_MS + 1_000} ms without a quorum; sessions ${now.join(", ")}`;
    },
  );
}
