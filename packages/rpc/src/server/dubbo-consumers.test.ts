// What dubbo-go 3.3.2 and dubbo-java 3.3.6 consumers put on the wire, as it was recorded between the two: the frames in their
// order, with their header fields and payloads. Only the names of the service and its methods are others.
import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { systemClock } from "@dubhe/concurrency";
import {
  EchoService,
  echoHandlers,
  FrameTextReader,
  frameBytes,
  PREFACE,
  type RpcPair,
  rpcPair,
  withLeakCheck,
} from "@dubhe/testing";
import { addHealth } from "../health/add-health.js";
import type { ServiceImpl } from "../service-types.js";
import type { HandlerContext } from "./handler-context.js";

const SERVICE = EchoService.typeName;

/** A peer that says what is written, and shows what it hears as lines of frame text. */
class Peer implements Disposable {
  readonly heard: string[] = [];
  readonly #socket: Socket;
  readonly #reader = new FrameTextReader(false);
  #waiting: (() => void) | undefined;

  constructor(port: number, ...greeting: readonly string[]) {
    this.#socket = connect(port, "127.0.0.1");
    this.#socket.on("error", () => undefined);
    this.#socket.on("data", (chunk: Buffer) => {
      this.heard.push(...this.#reader.read(chunk));
      this.#waiting?.();
    });
    this.say(PREFACE, ...greeting);
  }

  say(...lines: readonly string[]): void {
    this.#socket.write(frameBytes(...lines));
  }

  async hears(pattern: RegExp): Promise<string> {
    for (;;) {
      const line = this.heard.find((one) => pattern.test(one));
      if (line !== undefined) return line;
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

/** x/net's transport. */
const GO = [
  "SETTINGS ENABLE_PUSH=0 INITIAL_WINDOW_SIZE=4194304 5=16384 6=10485760",
  "WINDOW_UPDATE 0 1073741824",
] as const;
/** netty's. */
const JAVA = [
  "SETTINGS HEADER_TABLE_SIZE=4096 ENABLE_PUSH=0 MAX_CONCURRENT_STREAMS=2147483647 INITIAL_WINDOW_SIZE=8388608 5=8388608 6=32768",
  "WINDOW_UPDATE 0 16646146",
] as const;

const goRequest = (stream: number, method: string, timeout: string): string =>
  `HEADERS ${stream} :authority=192.0.2.2:20000 :method=POST :path=/${SERVICE}/${method} :scheme=http accept-encoding=identity ` +
  `grpc-accept-encoding=gzip te=trailers grpc-timeout=${timeout} timeout=1s interface=${SERVICE} retries="" ` +
  'user-agent="grpc-go-triple/0.1.0 (go1.26.8)" content-type=application/grpc+proto peer-trace=trace-1';

const javaRequest = (stream: number, method: string, ...more: readonly string[]): string =>
  `HEADERS ${stream} :scheme=http :authority=192.0.2.2:20000 :method=POST :path=/${SERVICE}/${method} ` +
  "content-type=application/grpc+proto te=trailers tri-consumer-appname=java-consumer grpc-accept-encoding=gzip,snappy " +
  `peer-trace=trace-1 version=""${more.map((field) => ` ${field}`).join("")}`;

/** "peer-go", as EchoRequest.text; dubbo-go writes an empty DATA frame before each message. */
const goMessage = (stream: number): readonly string[] => [
  `DATA ${stream}`,
  `DATA ${stream} hex=00000000090a07706565722d676f`,
];

/** What the handler saw of a call. */
interface Seen {
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly timeoutMs: number | undefined;
}

async function provider(seen: Seen[]): Promise<RpcPair> {
  const pair = await rpcPair();
  const handlers = echoHandlers(systemClock);
  const note = (context: HandlerContext): void => {
    const names = ["timeout", "interface", "retries", "version", "peer-trace", "tri-consumer-appname"];
    const headers = Object.fromEntries(names.map((name) => [name, context.requestHeaders.get(name) ?? undefined]));
    seen.push({ headers, timeoutMs: context.timeoutMs() });
  };
  const noting: ServiceImpl<typeof EchoService> = {
    ...handlers,
    unary(request, context) {
      note(context);
      context.responseTrailers.set("peer-trace", context.requestHeaders.get("peer-trace") ?? "");
      return handlers.unary?.(request, context) ?? {};
    },
    async *serverStream(request, context) {
      note(context);
      yield { text: request.text };
    },
  };
  pair.server.add(EchoService, noting);
  return pair;
}

test(
  "dubbo-go's call: attachments are header fields, and `timeout` is one of them",
  withLeakCheck(async () => {
    const seen: Seen[] = [];
    await using pair = await provider(seen);
    using peer = new Peer(pair.port, ...GO, goRequest(1, "Unary", "999990u"), ...goMessage(1), "DATA 1 END_STREAM");
    assert.match(
      await peer.hears(/^HEADERS 1 END_STREAM/),
      /grpc-status=0( |$).*peer-trace=trace-1|peer-trace=trace-1.*grpc-status=0/,
    );
    assert.match(await peer.hears(/^DATA 1/), /peer-go|\*14/);
    assert.equal(seen.length, 1);
    const [call] = seen;
    assert.deepEqual(call?.headers, {
      timeout: "1s",
      interface: SERVICE,
      retries: "",
      version: undefined,
      "peer-trace": "trace-1",
      "tri-consumer-appname": undefined,
    });
    // grpc-timeout is the deadline.
    assert.ok(
      call?.timeoutMs !== undefined && call.timeoutMs > 900 && call.timeoutMs <= 1_000,
      String(call?.timeoutMs),
    );
  }),
);

test(
  "dubbo-go's stream has a deadline of its own; what its `timeout` says is not it",
  withLeakCheck(async () => {
    const seen: Seen[] = [];
    await using pair = await provider(seen);
    using peer = new Peer(pair.port, ...GO, goRequest(5, "ServerStream", "5999925u"), ...goMessage(5));
    // It half-closes in a frame of its own, as often as not in a later packet.
    peer.say("PING 3");
    await peer.hears(/^PING ACK 3/);
    peer.say("DATA 5 END_STREAM");
    await peer.hears(/^HEADERS 5 END_STREAM .*grpc-status=0/);
    assert.ok((seen[0]?.timeoutMs ?? 0) > 5_000, String(seen[0]?.timeoutMs));
    peer.say(goRequest(7, "Unary", "999990u"), ...goMessage(7), "DATA 7 END_STREAM");
    await peer.hears(/^HEADERS 7 END_STREAM .*grpc-status=0/);
  }),
);

test(
  "dubbo-java's call and its stream, which has no deadline at all",
  withLeakCheck(async () => {
    const seen: Seen[] = [];
    await using pair = await provider(seen);
    const message = "hex=000000000b0a09706565722d6a617661";
    using peer = new Peer(
      pair.port,
      ...JAVA,
      javaRequest(3, "Unary", "grpc-timeout=1000000u", "timeout=1000"),
      `DATA 3 END_STREAM ${message}`,
    );
    await peer.hears(/^HEADERS 3 END_STREAM .*grpc-status=0/);
    peer.say(javaRequest(5, "ServerStream"), `DATA 5 END_STREAM ${message}`);
    await peer.hears(/^HEADERS 5 END_STREAM .*grpc-status=0/);
    const [call, stream] = seen;
    assert.deepEqual(
      [call?.headers.timeout, call?.headers.version, call?.headers["tri-consumer-appname"]],
      ["1000", "", "java-consumer"],
    );
    assert.ok(
      call?.timeoutMs !== undefined && call.timeoutMs > 900 && call.timeoutMs <= 1_000,
      String(call?.timeoutMs),
    );
    assert.equal(stream?.timeoutMs, undefined);
    // It offers snappy too, which we do not have.
    assert.ok(!peer.heard.some((line) => line.includes("grpc-encoding=snappy")));
  }),
);

test(
  "`timeout` without grpc-timeout is no deadline, whatever its form",
  withLeakCheck(async () => {
    const seen: Seen[] = [];
    await using pair = await provider(seen);
    using peer = new Peer(pair.port, ...JAVA);
    for (const [n, value] of ["1", "1ms", "5000", "5s", "soon"].entries()) {
      peer.say(
        javaRequest(2 * n + 3, "Unary", `timeout=${value}`),
        `DATA ${2 * n + 3} END_STREAM hex=000000000b0a09706565722d6a617661`,
      );
      await peer.hears(new RegExp(`^HEADERS ${2 * n + 3} END_STREAM .*grpc-status=0`));
    }
    assert.deepEqual(
      seen.map(({ timeoutMs }) => timeoutMs),
      [undefined, undefined, undefined, undefined, undefined],
    );
  }),
);

test(
  "dubbo-go watches the health of the service on each connection: it is told at once, and again when the server leaves",
  withLeakCheck(async () => {
    await using pair = await provider([]);
    const health = addHealth(pair.server);
    health.setStandard(SERVICE, "SERVING");
    const watch = (stream: number): readonly string[] => [
      `HEADERS ${stream} :authority=192.0.2.2:20000 :method=POST :path=/grpc.health.v1.Health/Watch :scheme=http ` +
        "accept-encoding=identity grpc-accept-encoding=gzip te=trailers " +
        'user-agent="grpc-go-triple/0.1.0 (go1.26.8)" content-type=application/grpc+proto',
      `DATA ${stream}`,
      `DATA ${stream} hex=${watchMessage(SERVICE)}`,
      `DATA ${stream} END_STREAM`,
    ];
    using peer = new Peer(
      pair.port,
      ...GO,
      goRequest(1, "Unary", "999990u"),
      ...goMessage(1),
      "DATA 1 END_STREAM",
      ...watch(3),
    );
    await peer.hears(/^HEADERS 1 END_STREAM .*grpc-status=0/);
    await peer.hears(/^DATA 3 /);
    assert.equal(peer.heard.filter((line) => line.startsWith("DATA 3 ")).length, 1);
    health.shutDown();
    while (peer.heard.filter((line) => line.startsWith("DATA 3 ")).length < 2)
      await new Promise((resolve) => setImmediate(resolve));
    // It gives the watch up by RST_STREAM, and pings.
    peer.say("RST_STREAM 3 CANCEL", "PING 7");
    await peer.hears(/^PING ACK 7/);
    peer.say(goRequest(5, "Unary", "999990u"), ...goMessage(5), "DATA 5 END_STREAM");
    await peer.hears(/^HEADERS 5 END_STREAM .*grpc-status=0/);
    assert.equal(pair.server.activeCalls, 0);
  }),
);

test(
  "at its deadline dubbo-go resets the stream: the handler's signal fires and nothing is sent any more",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    let aborted: (() => void) | undefined;
    const ended = new Promise<void>((resolve) => {
      aborted = resolve;
    });
    pair.server.add(EchoService, {
      unary: (_request, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => {
            aborted?.();
            reject(signal.reason as Error);
          });
        }),
    });
    using peer = new Peer(
      pair.port,
      ...GO,
      goRequest(17, "Unary", "9999990u"),
      ...goMessage(17),
      "DATA 17 END_STREAM",
      "PING 1",
    );
    await peer.hears(/^PING ACK 1/);
    peer.say("RST_STREAM 17 CANCEL", "PING 2");
    await ended;
    await peer.hears(/^PING ACK 2/);
    assert.ok(!peer.heard.some((line) => line.startsWith("HEADERS 17")), peer.heard.join("\n"));
    assert.equal(pair.server.activeCalls, 0);
  }),
);

/** HealthCheckRequest { service }, as one gRPC message in hex. */
function watchMessage(service: string): string {
  const name = Buffer.from(service);
  const payload = Buffer.concat([Buffer.of(0x0a, name.length), name]);
  return Buffer.concat([Buffer.of(0, 0, 0, 0, payload.length), payload]).toString("hex");
}
