// A server that speaks TLS only, and wants to see a certificate.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { TestAuthority } from "@dubhe/testing";
import { confirmed, instance, open, said } from "./open.mjs";
import { startEtcd } from "./server.mjs";
import { until, watchPorts } from "./wait.mjs";

export async function tlsSteps(trial, version) {
  const peer = `etcd ${version}`;
  const folder = trial.folder();
  const file = (name, text) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const authority = new TestAuthority();
  const [ofServer, ofClient] = [authority.issue({ name: "etcd" }), authority.issue({ name: "shop" })];
  const ca = file("ca.pem", authority.cert);
  const server = await startEtcd({
    version,
    tls: { cert: file("server.pem", ofServer.cert), key: file("server.key", ofServer.key), ca },
  });
  trial.onEnd(() => server.stop());
  const parameters = (values) => new URLSearchParams(values).toString();
  const own = { "tls-cert": file("client.pem", ofClient.cert), "tls-key": file("client.key", ofClient.key) };

  await trial.step(peer, "is verified by its authority, verifies our certificate, and is used", async () => {
    const registry = open(trial, `${server.url}?${parameters({ "tls-ca": ca, ...own })}`);
    const seen = watchPorts(registry, "shop");
    const registration = registry.register(instance(5));
    await until(() => confirmed(registration) && seen.ports?.join() === "5", said(registry), 15_000);
    await registry.close();
  });
  const refused = (what, values, expected) =>
    trial.step(peer, what, async () => {
      const registry = open(trial, `${server.url}?${parameters(values)}`);
      await until(() => registry.health.value.state === "down", said(registry), 15_000);
      const { message } = registry.health.value.error;
      if (!expected.test(message)) throw new Error(message);
      await registry.close();
      return message;
    });
  await refused("refuses us without a certificate", { "tls-ca": ca }, /certificate|alert/i);
  await refused("is not trusted without its authority", { tls: "true", ...own }, /certificate/i);
  await refused("is not spoken to in plain text", {}, /127\.0\.0\.1|closed|ECONNRESET/);
}
