// The foreign peers among themselves, without Dubhe: when this fails, the peers or the machine are at fault, not Dubhe.
import { dubboGoCalls, FOUR_KINDS, startDubboGo } from "../lib/greet.mjs";
import { dubboGo, grpcGo, startNacos } from "../lib/peers.mjs";
import { freePort } from "../lib/ports.mjs";

export const title = "the foreign peers among themselves (not part of the default run)";

export async function run(trial) {
  const [dubbo, grpc] = [await dubboGo(), await grpcGo()];
  const server = trial.start("grpc-go server", grpc, ["server"]);
  const grpcPort = Number((await server.waitFor(/^READY (\d+)/m, 20_000))[1]);
  const tapped = await trial.tap("grpc-go to grpc-go", { port: grpcPort });
  await trial.step("grpc-go client", "calls the grpc-go server", async () => {
    const client = trial.start("grpc-go client", grpc, ["client", "--address", `127.0.0.1:${tapped.port}`]);
    const end = await client.wait(120_000);
    if (end.code !== 0) throw new Error(client.tail());
    return `${client.stdout.trim().split("\n").length} cases`;
  });

  const port = await freePort();
  await startDubboGo(trial, dubbo, { port, app: "go-direct" });
  await trial.step("dubbo-go client", "calls dubbo-go by address", () =>
    dubboGoCalls(trial, dubbo, {
      where: { url: `tri://127.0.0.1:${port}` },
      peer: /^dubbo-go go-direct/,
      calls: [...FOUR_KINDS, "error", "coded-error", "unknown-method", "deadline"],
    }),
  );

  const nacos = await startNacos(trial);
  const tap = await trial.tap("dubbo-go to Nacos", { port: nacos.grpc });
  const registry = `nacos://127.0.0.1:${tap.port - 1000}`;
  await startDubboGo(trial, dubbo, { port: await freePort(), app: "go-provider", registry });
  await trial.step("dubbo-go client", "discovers and calls dubbo-go in Nacos", () =>
    dubboGoCalls(trial, dubbo, { where: { registry }, peer: /^dubbo-go go-provider/ }),
  );
}
