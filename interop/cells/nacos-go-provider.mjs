// (a) A dubbo-go provider registered in real Nacos is discovered and called by Dubhe.
import { dubheCalls, IDENTITIES, identityText, startDubboGo } from "../lib/greet.mjs";
import { dubboGo, startNacos } from "../lib/peers.mjs";
import { freePort } from "../lib/ports.mjs";

export const title = "a dubbo-go provider in real Nacos, called by Dubhe";

export async function run(trial) {
  const binary = await dubboGo();
  const nacos = await startNacos(trial);
  for (const [i, identity] of IDENTITIES.entries()) {
    const app = `go-provider-${i}`;
    await startDubboGo(trial, binary, {
      port: await freePort(),
      app,
      registry: `nacos://127.0.0.1:${nacos.http}`,
      identity,
    });
    const tap = await trial.tap("Dubhe to Nacos", { port: nacos.grpc });
    // The gRPC port of a Nacos URL is its port + 1000.
    await trial.step("dubbo-go provider in Nacos", `is discovered and called by Dubhe, ${identityText(identity)}`, () =>
      dubheCalls(trial, {
        where: { registry: `nacos://127.0.0.1:${tap.port - 1000}` },
        identity,
        peer: new RegExp(`^dubbo-go ${app}`),
      }),
    );
  }
}
