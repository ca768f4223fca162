// What lies between us and a good server: endpoints that are dead, silent or something else; a slow line; large values.
import { createServer } from "node:net";
import { breakableProxy } from "../nacos/proxy.mjs";
import { adminOf } from "./admin.mjs";
import { confirmed, instance, keyOf, open, said } from "./open.mjs";
import { startEtcd } from "./server.mjs";
import { slowProxy } from "./slow-proxy.mjs";
import { pause, until, watchPorts } from "./wait.mjs";

const MB = 1024 * 1024;

/** Ways of being no etcd, by what is done with a connection. */
const STRANGERS = {
  "accepts and says nothing": () => undefined,
  "hangs up at once": (socket) => socket.destroy(),
  "resets at once": (socket) => socket.resetAndDestroy(),
  "answers a TLS alert": (socket) => socket.end(Buffer.from([0x15, 3, 1, 0, 2, 2, 0x28])),
  "answers HTTP/1.1": (socket) => socket.end("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n"),
  "answers noise for ever": (socket) => {
    const timer = setInterval(() => socket.write(Buffer.alloc(1_000, 0xff)), 10);
    socket.on("close", () => clearInterval(timer));
  },
};

export async function lineSteps(trial, version) {
  const server = await startEtcd({ version });
  trial.onEnd(() => server.stop());
  const peer = `etcd ${version}`;
  const admin = adminOf(`127.0.0.1:${server.port}`);
  await strangers(trial, peer, server);
  await slowLine(trial, peer, server, admin);
  await largeValues(trial, peer, server, admin);
}

async function strangers(trial, peer, server) {
  const ports = [];
  for (const behave of Object.values(STRANGERS)) {
    const sockets = new Set();
    const stranger = createServer((socket) => {
      sockets.add(socket);
      socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
      behave(socket);
    });
    await new Promise((resolve) => stranger.listen(0, "127.0.0.1", resolve));
    trial.onEnd(() => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => stranger.close(resolve));
    });
    ports.push(stranger.address().port);
  }
  const list = ports.map((port) => `127.0.0.1:${port}`).join();
  const own = (endpoints) => `etcd://${endpoints}?session-ttl=4000&timeout=500`;

  await trial.step(peer, "is found behind a dead endpoint and six that are no etcd; the lease lives", async () => {
    const dead = "127.0.0.1:1";
    const clients = [1, 2, 3].map(() => open(trial, own(`${dead},${list},127.0.0.1:${server.port}`)));
    const began = performance.now();
    const registrations = clients.map((client, n) => client.register(instance(n + 1)));
    await until(() => confirmed(...registrations), said(clients[0]), 15_000);
    const ms = Math.round(performance.now() - began);
    await pause(5_000);
    if (clients.some(({ counters }) => counters.sessions !== 1 || counters.linksLost !== 0))
      throw new Error(clients.map((client) => said(client)()).join("\n"));
    await Promise.all(clients.map((client) => client.close()));
    return `everything registered after ${ms} ms`;
  });

  await trial.step(peer, "is not there, only those: the error says what each of them does", async () => {
    const client = open(trial, own(list));
    await until(() => client.health.value.state === "down", said(client), 15_000);
    const { message } = client.health.value.error;
    for (const port of ports)
      if (!message.includes(`127.0.0.1:${port}`)) throw new Error(`${port} is not in: ${message}`);
    await client.close();
    return message.split("; ").map((text, n) => `${Object.keys(STRANGERS)[n]}: ${text}`.slice(0, 160));
  });
}

async function slowLine(trial, peer, server, admin) {
  const bytesPerSecond = 400_000;
  await trial.step(
    peer,
    `over a line of ${bytesPerSecond / 1_000} kB/s: a list of 2 MB starves no keepalive of a lease of 2 s`,
    async () => {
      const proxy = await slowProxy(server.port, bytesPerSecond);
      trial.onEnd(() => proxy.close());
      const text = "x".repeat(20_000);
      for (let n = 1; n <= 100; n++)
        await admin.put(
          `/services/large/10.0.0.1:${n}`,
          JSON.stringify({ Host: "10.0.0.1", Port: n, Metadata: { text } }),
        );
      const client = open(trial, `etcd://127.0.0.1:${proxy.port}?session-ttl=2000&timeout=10000`);
      const registration = client.register(instance(5));
      await until(() => confirmed(registration), said(client), 10_000);
      const { lease } = await admin.get(keyOf(5));
      const keepalives = client.counters.keepalives;
      const began = performance.now();
      const seen = watchPorts(client, "large");
      await until(() => seen.ports?.length === 100, said(client), 20_000);
      const ms = performance.now() - began;
      const { counters } = client;
      if (ms < 3_000) throw new Error(`the line was not slow: ${ms} ms`);
      if (counters.sessions !== 1 || (await admin.get(keyOf(5)))?.lease !== lease) throw new Error(said(client)());
      const later = counters.keepalives - keepalives;
      await client.close();
      for (let n = 1; n <= 100; n++) await admin.delete(`/services/large/10.0.0.1:${n}`);
      return `the list took ${Math.round(ms)} ms, ${later} keepalives meanwhile, the same lease`;
    },
  );
}

async function largeValues(trial, peer, server, admin) {
  const client = open(trial, `${server.url}?session-ttl=5000&timeout=5000`);
  for (const size of [1.6 * MB, 5 * MB])
    await trial.step(
      peer,
      `does not take ${(size / MB).toFixed(1)} MiB: the error says which key, and which setting`,
      async () => {
        const registration = client.register(instance(7, { text: "x".repeat(size) }));
        await until(() => registration.error !== undefined, said(client), 10_000);
        const { message } = registration.error;
        if (!/too large to write \/services\/shop\/10\.0\.0\.1:7 \(.*--max-request-bytes/.test(message))
          throw new Error(message);
        await registration[Symbol.asyncDispose]();
        return message;
      },
    );

  await trial.step(
    peer,
    "has a list of 84 MB, above what we take in one message; and one value that is no JSON",
    async () => {
      const text = "x".repeat(1.4 * 1_000_000);
      for (let n = 1; n <= 60; n++)
        await admin.put(
          `/services/huge/10.0.0.1:${n}`,
          JSON.stringify({ Host: "10.0.0.1", Port: n, Metadata: { text } }),
        );
      await admin.put("/services/huge/10.0.0.1:99", text);
      const seen = watchPorts(client, "huge");
      const ms = await until(() => seen.ports?.length === 60, said(client), 30_000);
      if (seen.errors.length > 0 || client.counters.sessions !== 1)
        throw new Error(`${seen.errors[0]} ${said(client)()}`);
      for (let n = 1; n <= 60; n++) await admin.delete(`/services/huge/10.0.0.1:${n}`);
      await admin.delete("/services/huge/10.0.0.1:99");
      return `read in ${ms} ms`;
    },
  );

  await trial.step(
    peer,
    "tells 30 MB of changes that were missed in fragments: each once, no list read again",
    async () => {
      const proxy = await breakableProxy(server.port, "127.0.0.1");
      trial.onEnd(() => proxy.close());
      const consumer = open(trial, `etcd://127.0.0.1:${proxy.port}?session-ttl=20000&timeout=5000`);
      const seen = watchPorts(consumer, "late");
      await until(() => seen.lists > 0, said(consumer), 10_000);
      proxy.refuse = true;
      proxy.breakAll();
      const text = "x".repeat(1_000_000);
      for (let n = 1; n <= 30; n++)
        await admin.put(
          `/services/late/10.0.0.1:${n}`,
          JSON.stringify({ Host: "10.0.0.1", Port: n, Metadata: { text } }),
        );
      proxy.refuse = false;
      await until(() => seen.ports?.length === 30, said(consumer), 20_000);
      const { events, relists, sessions } = consumer.counters;
      if (events !== 30 || relists !== 0 || sessions !== 1) throw new Error(said(consumer)());
      await Promise.all([consumer.close(), client.close()]);
      return `${events} events`;
    },
  );
}
