// (b) A Dubhe provider registered in real Nacos is discovered and called by the dubbo-go client.
import { startProvider } from "../lib/dubhe.mjs";
import { dubboGoCalls, dubheCalls, IDENTITIES, identityText } from "../lib/greet.mjs";
import { dubboGo, startNacos } from "../lib/peers.mjs";

export const title = "a Dubhe provider in real Nacos, called by dubbo-go";

export async function run(trial) {
  const binary = await dubboGo();
  const nacos = await startNacos(trial);
  const registry = `nacos://127.0.0.1:${nacos.http}`;
  for (const [i, identity] of IDENTITIES.entries()) {
    const app = `dubhe-provider-${i}`;
    const peer = new RegExp(`^dubhe ${app}`);
    const tap = await trial.tap("Dubhe to Nacos", { port: nacos.grpc });
    await startProvider(trial, `dubhe provider ${app}`, {
      service: "greet",
      app,
      registry: `nacos://127.0.0.1:${tap.port - 1000}`,
      ...identity,
    });
    await trial.step("dubbo-go client", `discovers and calls Dubhe in Nacos, ${identityText(identity)}`, () =>
      dubboGoCalls(trial, binary, { where: { registry }, identity, peer }),
    );
    await trial.step("Dubhe consumer", `discovers and calls Dubhe in Nacos, ${identityText(identity)}`, () =>
      dubheCalls(trial, { where: { registry }, identity, peer }),
    );
  }
}
