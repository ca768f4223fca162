// Many nodes, and more watches than one packet holds.

import { createServiceInfo } from "@dubhe/discovery";
import { socketTransport } from "../../packages/registry-zookeeper/dist/socket-transport.js";
import { confirmed, counted, instance, opener, pause, shows, until, watchPorts } from "./bench.mjs";
import { openSession, RecordingTransport } from "./client.mjs";
import { startZookeeper } from "./server.mjs";

const INSTANCES = 10_000;
const WATCHES = 10_000;
const PROVIDERS = 4_000;

export async function scaleSteps(trial, version) {
  const server = await startZookeeper({ version });
  trial.onEnd(() => server.stop());
  const open = opener(trial, `${server.url}/dubhe`);
  const peer = `ZooKeeper ${version}`;
  const recursive = !version.startsWith("3.5");

  await trial.step(
    peer,
    `restores ${WATCHES} watches with more than 1 MB of paths${recursive ? ", half of them recursive" : ""}`,
    async () => {
      const transport = new RecordingTransport(socketTransport(undefined));
      const session = await openSession(server.url, { transport });
      trial.onEnd(() => session.close());
      const name = "n".repeat(120);
      const fired = [];
      const heard = ({ path }) => fired.push(path);
      await Promise.all(
        Array.from({ length: WATCHES }, (_, n) =>
          recursive && n % 2 === 0
            ? session.watchRecursively(`/${name}${n}`, heard)
            : session.exists(`/${name}${n}`, undefined, heard),
        ),
      );
      const before = await counted(server, "watch_count");
      const id = session.id;
      transport.breakConnection();
      await until(
        () => session.counters.connects === 2,
        () => "a second connection",
        10_000,
      );
      const after = await counted(server, "watch_count");
      // 3.8 counts a recursive one twice.
      if (before < WATCHES || after !== before || session.id !== id) throw new Error(`${before} ${after}`);
      for (const path of [`/${name}7`, `/${name}8/below`]) await session.create(path, Buffer.alloc(0));
      const expected = [`/${name}7`, `/${name}8`, ...(recursive ? [`/${name}8/below`] : [])];
      await until(
        () => String(fired) === String(expected),
        () => `their events, but ${fired.map((path) => path.replaceAll("n", ""))}`,
        2_000,
      );
      await session.close();
      return `${after} watches, ${Math.round((WATCHES * (name.length + 9)) / 1e4) / 100} MB of paths`;
    },
  );

  const [provider, consumer] = [open(), open()];
  const registrations = Array.from({ length: INSTANCES }, (_, n) => instance(10_000 + n));
  await trial.step(peer, `takes ${INSTANCES} instances of one application`, async () => {
    const began = performance.now();
    const wishes = registrations.map((one) => provider.registry.register(one));
    await until(
      () => wishes.every(({ state }) => state.value === "confirmed"),
      () => `all confirmed; ${wishes.filter(({ state }) => state.value === "confirmed").length} are`,
      60_000,
    );
    return `all confirmed after ${Math.round(performance.now() - began)} ms`;
  });
  const seen = watchPorts(consumer.registry, "shop");
  await trial.step(peer, "shows them all", async () => {
    const ms = await until(
      () => seen.ports?.length === INSTANCES,
      () => `${INSTANCES}, but ${seen.ports?.length}`,
      30_000,
    );
    return `after ${ms} ms, in ${seen.lists} list`;
  });
  await trial.step(peer, "one joins, one changes, one leaves: as many reads (D-61)", async () => {
    const { session } = consumer.registry.inspect();
    const requests = () => consumer.registry.inspect().session.requests - session.requests;
    const counts = [];
    const ports = registrations.map(({ port }) => port);
    const late = open().registry.register(instance(30_000));
    await confirmed(late);
    await shows(seen, [...ports, 30_000]);
    counts.push(requests());
    late.update(instance(30_000, { round: "2" }));
    await confirmed(late);
    await pause(300);
    counts.push(requests());
    await late[Symbol.asyncDispose]();
    await shows(seen, ports);
    await pause(100);
    counts.push(requests());
    const [joined, changed, left] = [counts[0], counts[1] - counts[0], counts[2] - counts[1]];
    if (joined > 2 || changed > 1 || left > 1) throw new Error(`requests: ${counts}`);
    return `requests of the consumer: ${joined} for the one that joined, ${changed} that changed, ${left} that left`;
  });
  await trial.step(
    peer,
    `interface level: a list of ${PROVIDERS} provider URLs, an answer of more than 1 MB`,
    async () => {
      const service = (n) => ({
        instance: instance(10_000 + n),
        service: createServiceInfo({
          name: "a.B",
          group: "",
          version: "",
          protocol: "tri",
          path: "a.B",
          params: { methods: "one,two,three,four,five,six,seven", release: "dubhe", note: "n".repeat(60) },
        }),
      });
      const writer = open();
      const wishes = Array.from({ length: PROVIDERS }, (_, n) => writer.registry.interfaces.register(service(n)));
      await until(
        () => wishes.every(({ state }) => state.value === "confirmed"),
        () => "all confirmed",
        60_000,
      );
      let count;
      const began = performance.now();
      consumer.registry.interfaces.watch({ service: "a.B", group: "", version: "" }, (event) => {
        count = event.kind === "providers" ? event.providers.length : event.error.message;
      });
      await until(
        () => count === PROVIDERS,
        () => `${PROVIDERS}; but ${count}`,
        20_000,
      );
      const ms = Math.round(performance.now() - began);
      const raw = await openSession(`${server.url}/dubhe`);
      const names = await raw.children("/dubbo/a.B/providers");
      await raw.close();
      const bytes = names.reduce((sum, name) => sum + 4 + name.length, 0);
      if (bytes < 1_048_576) throw new Error(`the answer has ${bytes} bytes only`);
      await writer.registry.close();
      await until(
        () => count === 0,
        () => "an empty list",
        20_000,
      );
      return `${(bytes / 1e6).toFixed(1)} MB, all listed after ${ms} ms`;
    },
  );
  await trial.step(peer, "close takes them all away", async () => {
    const began = performance.now();
    await provider.registry.close();
    await shows(seen, [], 20_000);
    await consumer.registry.close();
    const left = await counted(server, "watch_count");
    if (left !== 0) throw new Error(`${left} watches`);
    return `after ${Math.round(performance.now() - began)} ms; ${seen.lists} lists in all`;
  });
}
