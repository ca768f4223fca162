import type { Clock, Runtime } from "@dubhe/concurrency";
import { parseZookeeperUrl } from "../config.js";
import { ZookeeperSession } from "../session.js";
import { FakeZookeeper } from "./fake-zookeeper.js";

/** What the benches need of `testRuntime` of @dubhe/testing. */
export interface TestTime {
  readonly runtime: Runtime;
  readonly clock: Clock & { advance(ms: number): Promise<void>; readonly pendingTimers: number };
  readonly reports: readonly unknown[];
}

export interface SessionBench extends Pick<TestTime, "runtime" | "clock"> {
  readonly server: FakeZookeeper;
  /** Of what `open` opened last: "suspended", "resumed", "lost", in order. */
  readonly seen: string[];
  open(url?: string): Promise<ZookeeperSession>;
  /** Lets time pass until the promise has settled. */
  run<T>(promise: Promise<T>): Promise<T>;
}

export function sessionBench({ runtime, clock }: TestTime): SessionBench {
  const server = new FakeZookeeper(runtime);
  const seen: string[] = [];
  const run = async <T>(promise: Promise<T>): Promise<T> => {
    let settled = false;
    const end = (): void => {
      settled = true;
    };
    promise.then(end, end);
    for (let i = 0; !settled && i < 10_000; i++) await clock.advance(10);
    return promise;
  };
  return {
    runtime,
    clock,
    server,
    seen,
    run,
    async open(url = "zookeeper://a:1,b:2?session=6000") {
      const config = parseZookeeperUrl(url);
      const { servers, chroot, sessionTimeoutMs, connectTimeoutMs, maxPacket, username, password } = config;
      const auth = username === undefined ? undefined : { username, password: password ?? "" };
      const options = { servers, chroot, sessionTimeoutMs, connectTimeoutMs, maxPacket, auth, transport: server };
      const session = await run(ZookeeperSession.open(runtime, options, 0, new AbortController().signal));
      seen.length = 0;
      session.onSuspend((reason) => seen.push(reason === undefined ? "resumed" : "suspended"));
      session.onEnd(() => seen.push("lost"));
      return session;
    },
  };
}
