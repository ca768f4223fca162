// Triple's unary calls without gRPC's framing, dubbo-go and Dubhe by address, both directions; HTTP/1.1 too where Dubhe serves.
import { startProvider } from "../lib/dubhe.mjs";
import { dubboGoCalls, dubheCalls, startDubboGo } from "../lib/greet.mjs";
import { dubboGo } from "../lib/peers.mjs";
import { freePort } from "../lib/ports.mjs";

export const title = "Triple's unary calls without gRPC's framing, dubbo-go and Dubhe, both directions";

const CALLS = ["unary", "error", "coded-error", "deadline"];

export async function run(trial) {
  const binary = await dubboGo();

  const port = await freePort();
  await startDubboGo(trial, binary, { port, app: "go-plain" });
  const toGo = await trial.tap("Dubhe to dubbo-go", { port });
  for (const serialization of ["proto", "json"]) {
    for (const compression of [undefined, "gzip"]) {
      await trial.step(
        "dubbo-go provider",
        `is called by Dubhe, ${serialization}, ${compression ?? "not compressed"}`,
        () =>
          dubheCalls(trial, {
            where: { url: `tri://127.0.0.1:${toGo.port}`, unary: "triple", serialization, compression },
            peer: /^dubbo-go go-plain/,
            calls: CALLS,
          }),
      );
    }
  }

  const provider = await startProvider(trial, "dubhe provider", { service: "greet", app: "dubhe-plain" });
  const toDubhe = await trial.tap("dubbo-go to Dubhe", { port: provider.port });
  for (const unary of ["triple", "triple-http1"]) {
    for (const serialization of ["", "json"]) {
      await trial.step("dubbo-go client", `calls Dubhe, ${unary}, ${serialization || "proto"}, gzip`, () =>
        dubboGoCalls(trial, binary, {
          where: { url: `tri://127.0.0.1:${toDubhe.port}`, unary, serialization },
          peer: /^dubhe dubhe-plain/,
          calls: [...CALLS, "unknown-method"],
          timeout: "1s",
        }),
      );
    }
  }
}
