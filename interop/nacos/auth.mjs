// A server with authentication, whose tokens last 20 s.
import { createRuntime } from "@dubhe/concurrency";
import { createInstance } from "@dubhe/discovery";
import { nacosRegistry, parseNacosUrl } from "@dubhe/registry-nacos";
import { startServer } from "./server.mjs";
import { pause, until, watchPorts } from "./wait.mjs";

const TOKEN_SECONDS = 20;

export async function authSteps(trial) {
  const server = await startServer(trial, {
    env: { NACOS_AUTH: "1" },
    properties: [`nacos.core.auth.plugin.nacos.token.expire.seconds=${TOKEN_SECONDS}`],
  });
  const open = (userInfo) => {
    const registry = nacosRegistry(createRuntime(), parseNacosUrl(`nacos://${userInfo}127.0.0.1:${server.http}`));
    trial.onEnd(() => registry.close());
    return registry;
  };

  await trial.step("real Nacos", "refuses a wrong password", async () => {
    const registry = open("nacos:wr0ng@");
    await until(
      () => registry.health.value.state === "down",
      () => "an error",
      10_000,
    );
    const { message } = registry.health.value.error;
    if (!/login of nacos at .* was refused/.test(message) || message.includes("wr0ng")) throw new Error(message);
    await registry.close();
    return message;
  });

  await trial.step("real Nacos", "refuses who does not log in", async () => {
    const registry = open("");
    const registration = registry.register(createInstance({ application: "shop", host: "10.0.0.1", port: 1 }));
    await until(
      () => registration.state.value === "failed",
      () => `a refusal; it is ${registration.state.value}`,
      10_000,
    );
    const { message } = registration.error;
    if (!/40[13]/.test(message)) throw new Error(message);
    await registry.close();
    return message;
  });

  const registry = open("nacos:nacos@");
  const registration = registry.register(createInstance({ application: "shop", host: "10.0.0.1", port: 5 }));
  const seen = watchPorts(registry, "shop");
  const entry = registry.mapping.add("com.Foo", "shop");
  await trial.step("real Nacos", "takes everything from who logs in", async () => {
    const done = () =>
      registration.state.value === "confirmed" && entry.state.value === "confirmed" && seen.ports?.join() === "5";
    await until(done, () => `all of it: ${JSON.stringify(registry.inspect())}`, 10_000);
  });
  await trial.step("real Nacos", "goes on taking it, beyond the life of two tokens", async () => {
    await pause(2.2 * TOKEN_SECONDS * 1000);
    const { counters } = registry.inspect().session;
    if (counters.logins < 3 || counters.sessions !== 1) throw new Error(JSON.stringify(counters));
    const later = registry.register(createInstance({ application: "shop", host: "10.0.0.1", port: 6 }));
    await until(
      () => later.state.value === "confirmed" && seen.ports?.join() === "5,6",
      () => JSON.stringify(seen),
      10_000,
    );
    return `${counters.logins} logins, ${counters.sessions} session`;
  });
}
