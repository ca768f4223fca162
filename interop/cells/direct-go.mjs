// (d) dubbo-go and Dubhe by address, both directions, no registry.
import { startProvider } from "../lib/dubhe.mjs";
import { dubboGoCalls, dubheCalls, FOUR_KINDS, startDubboGo } from "../lib/greet.mjs";
import { dubboGo } from "../lib/peers.mjs";
import { freePort } from "../lib/ports.mjs";

export const title = "dubbo-go by address, both directions";

export async function run(trial) {
  const binary = await dubboGo();
  const failures = ["error", "coded-error", "deadline"];

  const port = await freePort();
  await startDubboGo(trial, binary, { port, app: "go-direct" });
  const toGo = await trial.tap("Dubhe to dubbo-go", { port });
  await trial.step("dubbo-go provider", "is called by Dubhe", () =>
    dubheCalls(trial, {
      where: { url: `tri://127.0.0.1:${toGo.port}` },
      peer: /^dubbo-go go-direct/,
      calls: [...FOUR_KINDS, ...failures],
    }),
  );
  await trial.step("dubbo-go provider", "is called by Dubhe with JSON", () =>
    dubheCalls(trial, {
      where: { url: `tri://127.0.0.1:${toGo.port}`, serialization: "json" },
      peer: /^dubbo-go go-direct/,
      calls: [...FOUR_KINDS, ...failures],
    }),
  );

  const provider = await startProvider(trial, "dubhe provider", { service: "greet", app: "dubhe-direct" });
  const toDubhe = await trial.tap("dubbo-go to Dubhe", { port: provider.port });
  await trial.step("dubbo-go client", "calls Dubhe", () =>
    dubboGoCalls(trial, binary, {
      where: { url: `tri://127.0.0.1:${toDubhe.port}` },
      peer: /^dubhe dubhe-direct/,
      calls: [...FOUR_KINDS, ...failures.slice(0, 2), "unknown-method", "deadline"],
    }),
  );
  await trial.step("dubbo-go client", "calls Dubhe with JSON", () =>
    dubboGoCalls(trial, binary, {
      where: { url: `tri://127.0.0.1:${toDubhe.port}`, serialization: "json" },
      peer: /^dubhe dubhe-direct/,
      calls: [...FOUR_KINDS, ...failures.slice(0, 2)],
    }),
  );
}
