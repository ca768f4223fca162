import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { createRuntime, systemClock } from "@dubhe/concurrency";
import { withLeakCheck } from "@dubhe/testing";
import type { ChildCommand, ChildReport } from "../test-support/embedded-child.js";
import { freePort } from "../test-support/free-port.js";
import { embeddedConfig } from "./config.js";
import { embeddedRegistry } from "./embedded.js";

const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    systemClock.setTimeout(resolve, ms, { ref: true });
  });

class Child {
  readonly port: number;
  readonly process: ChildProcess;
  report: ChildReport = {
    up: false,
    hosting: false,
    ports: undefined,
    applications: undefined,
    missed: [],
    error: undefined,
  };

  constructor(registryPort: number, port: number) {
    this.port = port;
    this.process = fork(
      new URL("../test-support/embedded-child.js", import.meta.url),
      [String(registryPort), String(port)],
      {
        execArgv: [],
        env: { ...process.env, NODE_ENV: "test", KUBERNETES_SERVICE_HOST: undefined },
      },
    );
    this.process.on("message", (report: ChildReport) => {
      this.report = report;
    });
  }

  tell(command: ChildCommand): void {
    this.process.send(command);
  }

  async end(signal: "SIGKILL" | "close"): Promise<void> {
    const exited = once(this.process, "exit");
    if (signal === "SIGKILL") this.process.kill("SIGKILL");
    else this.tell({ kind: "close" });
    await exited;
  }
}

async function until(predicate: () => boolean, what: () => string, limitMs: number): Promise<number> {
  const start = systemClock.now();
  while (!predicate()) {
    const waited = systemClock.now() - start;
    assert.ok(waited < limitMs, `${limitMs} ms passed without ${what()}`);
    await pause(5);
  }
  return systemClock.now() - start;
}

const described = (children: readonly Child[]): string =>
  JSON.stringify(children.map(({ port, report }) => ({ port, ...report })));

test(
  "the host is killed three times: everybody is registered and watching again within 3 s, and nobody was seen missing",
  withLeakCheck(async (t) => {
    const registryPort = await freePort();
    let children = [1, 2, 3, 4, 5].map((port) => new Child(registryPort, port));
    const all = (predicate: (child: Child) => boolean, what: string, limitMs: number): Promise<number> =>
      until(
        () => children.every(predicate),
        () => `${what}: ${described(children)}`,
        limitMs,
      );
    try {
      await all(({ report }) => report.up && report.ports?.length === 5, "five that see each other", 15_000);
      // Written by somebody who is no Dubhe and never writes it again, as dubbo-go.
      const writer = embeddedRegistry(createRuntime(), embeddedConfig({ port: registryPort }));
      const entry = writer.mapping.add("com.Foo", "from-go");
      await until(
        () => entry.state.value === "confirmed",
        () => "the mapping",
        5_000,
      );
      await writer.close();
      for (let round = 1; round <= 3; round++) {
        const hosts = children.filter(({ report }) => report.hosting);
        assert.equal(hosts.length, 1, `exactly one host: ${described(children)}`);
        const [victim] = hosts;
        children = children.filter((child) => child !== victim);
        const ports = children.map(({ port }) => port);
        for (const child of children) child.tell({ kind: "expect", ports });
        await pause(50);
        await victim?.end("SIGKILL");
        for (const child of children) child.report = { ...child.report, up: false };
        const took = await all(({ report }) => report.up, "everybody registered and watching again", 3_000);
        await all(({ report }) => report.ports?.join() === ports.join(), "the survivors, and only they", 8_000);
        await all(({ report }) => report.applications?.join() === "from-go", "the foreign mapping", 3_000);
        for (const { report } of children) assert.deepEqual(report.missed, [], "a survivor was seen missing");
        t.diagnostic(`round ${round}: ${Math.round(took)} ms`);
      }
    } finally {
      await Promise.all(children.map((child) => child.end("SIGKILL")));
    }
  }),
);

test(
  "a host that leaves in order hands over, and its process ends",
  withLeakCheck(async () => {
    const registryPort = await freePort();
    const first = new Child(registryPort, 1);
    await until(
      () => first.report.up,
      () => described([first]),
      15_000,
    );
    const second = new Child(registryPort, 2);
    await until(
      () => second.report.ports?.join() === "1,2",
      () => described([second]),
      15_000,
    );
    await first.end("close");
    await until(
      () => second.report.up && second.report.hosting && second.report.ports?.join() === "2",
      () => described([second]),
      5_000,
    );
    await second.end("close");
  }),
);

test(
  "a host that is stopped is named, with its process, and replaced once it is killed",
  withLeakCheck(async () => {
    const registryPort = await freePort();
    const host = new Child(registryPort, 1);
    await until(
      () => host.report.up,
      () => described([host]),
      15_000,
    );
    const second = new Child(registryPort, 2);
    await until(
      () => second.report.ports?.join() === "1,2",
      () => described([second]),
      15_000,
    );
    host.process.kill("SIGSTOP");
    try {
      // A health check every 5 s, two probes, then a new connection that stays silent for 3 s.
      await until(
        () =>
          second.report.error?.includes("does not answer") === true &&
          second.report.error.includes("embedded registry at"),
        () => described([second]),
        25_000,
      );
      if (process.platform === "linux")
        assert.match(second.report.error ?? "", new RegExp(`process ${host.process.pid} \\(`));
    } finally {
      await host.end("SIGKILL");
    }
    await until(
      () => second.report.up && second.report.hosting,
      () => described([second]),
      5_000,
    );
    await second.end("close");
  }),
);
