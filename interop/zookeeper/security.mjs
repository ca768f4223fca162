// TLS both ways, and nodes that belong to a user.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { TestAuthority } from "@dubhe/testing";
import { confirmed, healthy, instance, opener, pause, shows, until, watchPorts } from "./bench.mjs";
import { startZookeeper } from "./server.mjs";

export async function securitySteps(trial, version) {
  const folder = trial.folder();
  const write = (name, text) => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };
  const authority = new TestAuthority("Dubhe interop");
  const [forServer, forClient] = [authority.issue({ name: "zookeeper" }), authority.issue({ name: "client" })];
  const ca = write("ca.pem", authority.cert);
  const other = write("other.pem", new TestAuthority("Somebody else").cert);
  const cert = write("client-cert.pem", forClient.cert);
  const key = write("client-key.pem", forClient.key);
  const server = await startZookeeper({
    version,
    tls: {
      keyStore: write("server.pem", `${forServer.key}${forServer.cert}`),
      trustStore: write("trust.pem", authority.cert),
      clientAuth: "need",
    },
  });
  trial.onEnd(() => server.stop());
  const open = opener(trial, server.url);
  const peer = `ZooKeeper ${version} with TLS`;
  const files = (ca) => `tls-ca=${ca}&tls-cert=${cert}&tls-key=${key}`;
  const refused = (what, parameters, expected) =>
    trial.step(peer, what, async () => {
      const { registry } = open(`?${parameters}`);
      await healthy(registry, "down", 10_000);
      const { message } = registry.health.value.error;
      if (!expected.test(message)) throw new Error(message);
      await registry.close();
      return message;
    });

  await trial.step(peer, "verified, and verifies us: used", async () => {
    const { registry } = open(`?${files(ca)}`);
    await confirmed(registry.register(instance(1)));
    await registry.close();
  });
  await refused("is not the one of another authority", files(other), /unable to|self.signed|certificate/);
  await refused("wants a certificate of ours", `tls-ca=${ca}`, /certificate|hung up|ECONNRESET|closed|handshake/i);
  await refused("is no plain text server", "", /closed|hung up|ECONNRESET|no answer|packet of/);

  // Without TLS: a client certificate is an identity too, to which "auth" would give the nodes as well.
  const plain = await startZookeeper({ version });
  trial.onEnd(() => plain.stop());
  const user = (name) => opener(trial, `${plain.url.replace("//", `//${name}:s3cret@`)}/private`)();
  await trial.step(`ZooKeeper ${version}`, "keeps what a user made from others (digest, CREATOR_ALL)", async () => {
    const [ann, ann2, bob] = [user("ann"), user("ann"), user("bob")];
    await confirmed(ann.registry.register(instance(2)));
    await confirmed(ann.registry.mapping.add("a.B", "shop"));
    const mine = watchPorts(ann2.registry, "shop");
    await shows(mine, [2]);
    const theirs = watchPorts(bob.registry, "shop");
    const denied = bob.registry.register(instance(3));
    await until(
      () => theirs.errors.length > 0 && denied.state.value === "failed",
      () => "being refused",
      10_000,
    );
    const said = `${theirs.errors[0]}; ${denied.error.message}`;
    if (!said.includes("NO_AUTH") || theirs.lists > 0) throw new Error(said);
    ann.breakConnection();
    await pause(500);
    await confirmed(ann.registry.register(instance(4)));
    await shows(mine, [2, 4]);
    const told = JSON.stringify([ann, ann2, bob].map(({ registry }) => registry.inspect())) + said;
    if (told.includes("s3cret")) throw new Error("a password is shown");
    for (const { registry } of [ann, ann2, bob]) await registry.close();
    return said;
  });

  await trial.step(
    `ZooKeeper ${version}`,
    "refuses the same user with a wrong password: said so, nothing shown",
    async () => {
      const wrong = opener(trial, `${plain.url.replace("//", "//ann:wr0ng@")}/private`)();
      const registration = wrong.registry.register(instance(5));
      await until(
        () => registration.state.value === "failed",
        () => "being refused",
        10_000,
      );
      const { message } = registration.error;
      if (!message.includes("check user name and password") || /wr0ng|s3cret/.test(message)) throw new Error(message);
      await wrong.registry.close();
      return message;
    },
  );
}
