// A server whose gRPC port speaks TLS only.
import { createRuntime } from "@dubhe/concurrency";
import { createInstance } from "@dubhe/discovery";
import { nacosRegistry, parseNacosUrl } from "@dubhe/registry-nacos";
import { startServer } from "./server.mjs";
import { until, watchPorts } from "./wait.mjs";

export async function tlsSteps(trial, { cert, key }) {
  const server = await startServer(trial, { env: { NACOS_TLS_CERT: cert, NACOS_TLS_KEY: key } });
  const open = (parameters) => {
    const registry = nacosRegistry(createRuntime(), parseNacosUrl(`${server.url}?${parameters}`));
    trial.onEnd(() => registry.close());
    return registry;
  };
  const refused = (what, parameters, expected) =>
    trial.step("real Nacos", what, async () => {
      const registry = open(parameters);
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

  await trial.step("real Nacos", "is verified by its certificate, and used", async () => {
    const registry = open(`tls-ca=${encodeURIComponent(cert)}`);
    const seen = watchPorts(registry, "shop");
    registry.register(createInstance({ application: "shop", host: "10.0.0.1", port: 5 }));
    await until(
      () => seen.ports?.join() === "5",
      () => JSON.stringify(registry.inspect()),
      10_000,
    );
    await registry.close();
  });
  await refused("is not trusted without its certificate", "tls=true", /self-signed certificate/i);
  await refused("is not spoken to in plain text", "", /127\.0\.0\.1:\d+/);
}
