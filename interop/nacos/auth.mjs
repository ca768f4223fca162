// A server with authentication, whose tokens last 12 s; and a proxy before its login that says they last an hour.
import { createServer } from "node:http";
import { createRuntime } from "@dubhe/concurrency";
import { createInstance } from "@dubhe/discovery";
import { nacosConfig, nacosRegistry, parseNacosUrl } from "@dubhe/registry-nacos";
import { startServer } from "./server.mjs";
import { pause, until, watchPorts } from "./wait.mjs";

const TOKEN_SECONDS = 12;

/** Passes logins on; what comes back claims that the token lasts long, so that it is refused before it is renewed. */
async function lyingLogin(trial, port) {
  const state = { logins: 0, port: 0 };
  const passOn = async (request) => {
    const answer = await fetch(`http://127.0.0.1:${port}${request.url}`, {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: Buffer.concat(await request.toArray()),
    });
    const text = await answer.text();
    return { status: answer.status, text: text.replace(/"tokenTtl":\d+/, '"tokenTtl":3600') };
  };
  const server = createServer((request, response) => {
    state.logins += 1;
    passOn(request).then(
      ({ status, text }) => response.writeHead(status).end(text),
      (error) => response.destroy(error),
    );
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  trial.onEnd(() => new Promise((resolve) => server.close(resolve)));
  state.port = server.address().port;
  return state;
}

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

  const proxy = await lyingLogin(trial, server.http);
  const misled = nacosRegistry(
    createRuntime(),
    nacosConfig({
      servers: [{ host: "127.0.0.1", httpPort: proxy.port, grpcPort: server.grpc }],
      username: "nacos",
      password: "nacos",
    }),
  );
  trial.onEnd(() => misled.close());
  const registry = open("nacos:nacos@");
  const registration = registry.register(createInstance({ application: "shop", host: "10.0.0.1", port: 5 }));
  const seen = watchPorts(registry, "shop");
  const seenMisled = watchPorts(misled, "shop");
  const entry = registry.mapping.add("com.Foo", "shop");
  await trial.step("real Nacos", "takes everything from who logs in", async () => {
    const done = () =>
      registration.state.value === "confirmed" &&
      entry.state.value === "confirmed" &&
      seen.ports?.join() === "5" &&
      seenMisled.ports?.join() === "5";
    await until(done, () => `all of it: ${JSON.stringify(registry.inspect())}`, 10_000);
  });
  const { requestFailures } = registry.inspect().session.counters;
  await pause(2.2 * TOKEN_SECONDS * 1000);
  await trial.step(
    "real Nacos",
    "goes on taking it, beyond the life of two tokens: each is renewed in time",
    async () => {
      const later = registry.register(createInstance({ application: "shop", host: "10.0.0.1", port: 6 }));
      await until(
        () => later.state.value === "confirmed" && seen.ports?.join() === "5,6",
        () => JSON.stringify(seen),
        10_000,
      );
      const { counters } = registry.inspect().session;
      if (counters.logins < 3 || counters.sessions !== 1 || counters.requestFailures !== requestFailures)
        throw new Error(JSON.stringify(counters));
      return `${counters.logins} logins, ${counters.sessions} session, no request was refused for its token`;
    },
  );
  await trial.step(
    "real Nacos",
    "refuses a token: 20 reads at once wait for one new login, and none fails",
    async () => {
      const { requestFailures, sessions } = misled.inspect().session.counters;
      const logins = proxy.logins;
      const answers = await Promise.all(
        Array.from({ length: 20 }, () => misled.names.applications(AbortSignal.timeout(10_000))),
      );
      if (!answers[0].includes("shop")) throw new Error(JSON.stringify(answers[0]));
      const after = misled.inspect().session.counters;
      const refused = after.requestFailures - requestFailures;
      if (proxy.logins !== logins + 1 || after.sessions !== sessions || refused < 1)
        throw new Error(`${proxy.logins - logins} logins, ${refused} refusals, ${JSON.stringify(after)}`);
      const late = misled.register(createInstance({ application: "shop", host: "10.0.0.1", port: 7 }));
      await until(
        () => late.state.value === "confirmed" && seen.ports?.join() === "5,6,7" && seenMisled.errors.length === 0,
        () => JSON.stringify([seen, seenMisled]),
        10_000,
      );
      return `${refused} refusals, then 1 login; no session lost`;
    },
  );
}
