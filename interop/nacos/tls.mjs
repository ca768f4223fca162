// Servers whose gRPC port speaks TLS only, one of which wants to know its clients.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createRuntime } from "@dubhe/concurrency";
import { createInstance } from "@dubhe/discovery";
import { nacosRegistry, parseNacosUrl } from "@dubhe/registry-nacos";
import { startServer } from "./server.mjs";
import { until, watchPorts } from "./wait.mjs";

/** An authority, and what it signs for the server and for clients. Needs the openssl command. */
function makeAuthority(folder) {
  const path = (name) => join(folder, name);
  const openssl = (...args) => execFileSync("openssl", args, { stdio: "pipe" });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const ca = { cert: path("ca.pem"), key: path("ca.key") };
  openssl("req", "-x509", ...key, "-keyout", ca.key, "-out", ca.cert, "-days", "2", "-subj", "/CN=test authority");
  const issue = (name) => {
    const files = { cert: path(`${name}.pem`), key: path(`${name}.key`), request: path(`${name}.csr`) };
    openssl("req", ...key, "-keyout", files.key, "-out", files.request, "-subj", `/CN=${name}`);
    writeFileSync(path("ext"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n");
    const by = ["-CA", ca.cert, "-CAkey", ca.key, "-CAcreateserial", "-extfile", path("ext")];
    openssl("x509", "-req", "-in", files.request, ...by, "-days", "2", "-out", files.cert);
    return files;
  };
  return { ca: ca.cert, server: issue("server"), client: issue("client") };
}

export async function tlsSteps(trial) {
  const { ca, server: own, client } = makeAuthority(trial.folder());
  const env = { NACOS_TLS_CERT: own.cert, NACOS_TLS_KEY: own.key };
  const [one, two] = await Promise.all([
    startServer(trial, { env }),
    startServer(trial, {
      env,
      properties: [
        "nacos.remote.server.rpc.tls.mutualAuthEnable=true",
        `nacos.remote.server.rpc.tls.trustCollectionCertFile=file:${ca}`,
      ],
    }),
  ]);
  const open = (server, parameters) => {
    const query = Object.entries(parameters).map(([key, value]) => `${key}=${encodeURIComponent(value)}`);
    const registry = nacosRegistry(createRuntime(), parseNacosUrl(`${server.url}?${query.join("&")}`));
    trial.onEnd(() => registry.close());
    return registry;
  };
  const refused = (what, server, parameters, expected) =>
    trial.step("real Nacos", what, async () => {
      const registry = open(server, parameters);
      await until(
        () => registry.health.value.state === "down",
        () => "an error",
        10_000,
      );
      const { message } = registry.health.value.error;
      if (!expected.test(message)) throw new Error(message);
      await registry.close();
      return message;
    });
  const used = (what, server, parameters) =>
    trial.step("real Nacos", what, async () => {
      const registry = open(server, parameters);
      const seen = watchPorts(registry, "shop");
      registry.register(createInstance({ application: "shop", host: "10.0.0.1", port: 5 }));
      await until(
        () => seen.ports?.join() === "5",
        () => JSON.stringify(registry.inspect()),
        10_000,
      );
      await registry.close();
    });

  await used("is verified by an authority of one's own, and used", one, { "tls-ca": ca });
  await used("is used without verification, where that is asked for", one, { tls: "true", "tls-verify": "false" });
  await refused("is not trusted without its authority", one, { tls: "true" }, /certificate/i);
  await refused(
    "is not trusted under another name",
    one,
    { "tls-ca": ca, "tls-servername": "nacos.example" },
    /altnames|nacos\.example/i,
  );
  await refused("is not spoken to in plain text", one, {}, /127\.0\.0\.1:\d+/);

  await used("wants a client's certificate, and gets it", two, {
    "tls-ca": ca,
    "tls-cert": client.cert,
    "tls-key": client.key,
  });
  await refused("wants a client's certificate, and does not get it", two, { "tls-ca": ca }, /127\.0\.0\.1:\d+/);
}
