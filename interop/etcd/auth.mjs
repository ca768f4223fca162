// A server that wants a login; a user that may only what a registry needs; tokens that the server forgets, and tokens that end.
import { generateKeyPairSync } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { adminOf } from "./admin.mjs";
import { confirmed, instance, open, said } from "./open.mjs";
import { startEtcd } from "./server.mjs";
import { pause, until, watchPorts } from "./wait.mjs";

const TOKEN_SECONDS = 4;

export async function authSteps(trial, version) {
  const peer = `etcd ${version}`;
  const server = await startEtcd({ version });
  trial.onEnd(() => server.stop());
  const admin = adminOf(`127.0.0.1:${server.port}`);
  const url = (userInfo) => `etcd://${userInfo}127.0.0.1:${server.port}?session-ttl=3000&timeout=2000`;

  await trial.step(peer, "takes who would log in while it wants no login", async () => {
    const registry = open(trial, url("dubbo:s3cret@"));
    const registration = registry.register(instance(1));
    await until(() => confirmed(registration), said(registry), 10_000);
    await registry.close();
  });
  await admin.enableAuth("r00t", { dubbo: "s3cret", guest: "gu3st" }, { guest: ["/dubbo/"] });
  const refused = (what, userInfo, expected) =>
    trial.step(peer, what, async () => {
      const registry = open(trial, url(userInfo));
      await until(() => registry.health.value.state === "down", said(registry), 10_000);
      const { message } = registry.health.value.error;
      if (!expected.test(message) || message.includes("wr0ng")) throw new Error(message);
      await registry.close();
      return message;
    });
  await refused("refuses a wrong password", "dubbo:wr0ng@", /login of dubbo at .* was refused/);
  await refused("refuses who does not log in, and we say what to write", "", /wants a login; write etcd:\/\/user/);

  await trial.step(
    peer,
    "permits a user less than is needed: errors name the key, the user and what to grant",
    async () => {
      const guest = open(trial, url("guest:gu3st@"));
      const [forbidden, allowed] = [guest.register(instance(6)), guest.mapping.add("com.Bar", "shop")];
      const watched = watchPorts(guest, "shop");
      await until(
        () => forbidden.error !== undefined && watched.errors.length > 0 && confirmed(allowed),
        said(guest),
        10_000,
      );
      const messages = [forbidden.error.message, watched.errors[0]];
      for (const [n, expected] of [
        /write \/services\/shop\/10\.0\.0\.1:6 /,
        /(watch|read) \/services\/shop\/ /,
      ].entries())
        if (
          !expected.test(messages[n]) ||
          !/user guest may not .* grant its role readwrite on the prefix \/services\//.test(messages[n])
        )
          throw new Error(messages[n]);
      await guest.close();
      return messages;
    },
  );

  const registry = open(trial, url("dubbo:s3cret@"));
  const registration = registry.register(instance(5));
  const seen = watchPorts(registry, "shop");
  const entry = registry.mapping.add("com.Foo", "shop");
  const metadata = registry.metadata.publish({ app: "shop", revision: "r1", services: [] });
  await trial.step(peer, "takes everything from a user that may only /services/ and /dubbo/", async () => {
    await until(() => confirmed(registration, entry, metadata) && seen.ports?.join() === "5", said(registry), 10_000);
  });
  await trial.step(peer, "forgets every token by a restart: a new one, the same session", async () => {
    await server.restart();
    await admin.login("root", "r00t");
    await until(() => registry.health.value.state === "up", said(registry), 10_000);
    const later = registry.register(instance(9));
    await until(() => confirmed(later) && seen.ports.includes(9), said(registry), 10_000);
    if (registry.counters.sessions !== 1) throw new Error(said(registry)());
    await registry.close();
    const left = await admin.list("/services/");
    if (left.length > 0) throw new Error(`${left.length} keys after close`);
  });

  await trial.step(peer, `whose tokens (JWT) end after ${TOKEN_SECONDS} s: they are renewed before that`, async () => {
    const jwt = await startJwtServer(trial, version);
    const jwtAdmin = adminOf(`127.0.0.1:${jwt.port}`);
    await jwtAdmin.enableAuth("r00t", { dubbo: "s3cret" });
    const client = open(trial, `etcd://dubbo:s3cret@127.0.0.1:${jwt.port}?session-ttl=3000&timeout=2000`);
    const ports = watchPorts(client, "shop");
    for (let port = 1; port <= 4; port++) {
      const later = client.register(instance(port));
      // A watch is judged by the token that its stream was opened with.
      const other = watchPorts(client, `other${port}`);
      await until(() => confirmed(later) && ports.ports?.includes(port) && other.lists > 0, said(client), 10_000);
      if (other.errors.length > 0) throw new Error(other.errors[0]);
      await pause(TOKEN_SECONDS * 1_000);
    }
    const { logins, sessions, failedRequests, progressRequests } = client.counters;
    // (3.6 ends a keepalive stream in the moment in which its token ends; that is another connection, made again.)
    const quiet = sessions === 1 && failedRequests === 0 && ports.errors.length === 0;
    if (logins < 4 || !quiet || progressRequests < 4) throw new Error(`${ports.errors.join("\n")}\n${said(client)()}`);
    // None is left on the streams before.
    const watches = await jwtAdmin.metric("etcd_debugging_mvcc_watcher_total");
    if (watches !== 5) throw new Error(`the server has ${watches} watches, not 5`);
    await client.close();
    return `${logins} logins, ${sessions} session, no request refused, ${progressRequests} progress requests answered`;
  });
}

async function startJwtServer(trial, version) {
  const folder = trial.folder();
  const { publicKey, privateKey } = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs1", format: "pem" },
  });
  const [pub, priv] = [join(folder, "jwt.pub"), join(folder, "jwt.key")];
  writeFileSync(pub, publicKey);
  writeFileSync(priv, privateKey);
  const token = `--auth-token=jwt,pub-key=${pub},priv-key=${priv},sign-method=RS256,ttl=${TOKEN_SECONDS}s`;
  const server = await startEtcd({ version, args: [token] });
  trial.onEnd(() => server.stop());
  return server;
}
