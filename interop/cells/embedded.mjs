// (c) dubbo-go and Dubhe find each other through the embedded registry; its host is killed and another process takes over.
import assert from "node:assert/strict";
import { startConsumer, startProvider } from "../lib/dubhe.mjs";
import { dubboGoCalls, dubheCalls, startDubboGo } from "../lib/greet.mjs";
import { dubboGo } from "../lib/peers.mjs";
import { freeBase, freePort } from "../lib/ports.mjs";

export const title = "dubbo-go and Dubhe on the embedded registry, with a takeover in between";

/** Both offer the same interface, so group and version must tell them apart. */
const GO = {};
const DUBHE = { group: "dubhe", version: "1.2.3" };

export async function run(trial) {
  const binary = await dubboGo();
  const base = await freeBase([0, 1000], 21848);
  const embedded = `embedded://127.0.0.1:${base + 1000}`;
  const nacos = `nacos://127.0.0.1:${base}`;

  // The first Dubhe process is the host. It offers another service, so that its death takes no provider of ours.
  const host = await startProvider(trial, "host of the embedded registry", {
    service: "echo",
    app: "dubhe-host",
    registry: embedded,
  });
  await startProvider(trial, "dubhe provider", {
    service: "greet",
    app: "dubhe-provider",
    registry: embedded,
    ...DUBHE,
  });
  await startDubboGo(trial, binary, {
    port: await freePort(),
    app: "go-provider",
    registry: nacos,
    identity: GO,
  });

  const both = async (when) => {
    await trial.step("dubbo-go provider on the embedded registry", `is discovered and called by Dubhe ${when}`, () =>
      dubheCalls(trial, { where: { registry: embedded }, identity: GO, peer: /^dubbo-go go-provider/ }),
    );
    await trial.step("dubbo-go client on the embedded registry", `discovers and calls Dubhe ${when}`, () =>
      dubboGoCalls(trial, binary, {
        where: { registry: nacos },
        identity: DUBHE,
        peer: /^dubhe dubhe-provider/,
      }),
    );
  };
  await both("before the takeover");

  // A consumer that is bound already must lose no call while the registry changes hands.
  const turns = 300;
  const bound = startConsumer(trial, "bound dubhe consumer", {
    registry: embedded,
    ...GO,
    calls: "unary",
    repeat: turns,
    pause: 50,
  });
  await bound.waitFor(/"ok":true/, 20_000);
  await trial.step(
    "embedded registry",
    `its host (pid ${host.child.pid}) is killed, another process takes over`,
    async () => {
      host.child.kill("SIGKILL");
      const end = await host.child.exited;
      const began = performance.now();
      // A new process must be able to register and to be found: with the other processes' help, or as the new host.
      const late = await startProvider(trial, "late dubhe provider", {
        service: "greet",
        app: "dubhe-late",
        registry: embedded,
        group: "late",
      });
      const registered = performance.now() - began;
      const saw = await dubheCalls(trial, {
        where: { registry: embedded },
        identity: { group: "late" },
        peer: /^dubhe dubhe-late/,
        calls: ["unary"],
      });
      return [
        `host ended by ${end.signal}; a new provider on port ${late.port} was registered ${registered.toFixed(0)} ms later`,
        ...saw,
      ];
    },
  );
  await both("after the takeover");

  await trial.step("bound dubhe consumer", "loses no call while the registry changes hands", async () => {
    const end = await bound.wait(90_000);
    const lines = bound.stdout
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line));
    const failed = lines.filter((line) => !line.ok);
    assert.deepEqual(failed, [], `failed calls of ${lines.length}`);
    assert.equal(lines.length, turns);
    assert.equal(end.code, 0);
    return `${lines.length} calls, none failed`;
  });
  // By now what the new host kept from its predecessor has been confirmed by the peers themselves, or is gone.
  await both("15 s after the takeover");
}
