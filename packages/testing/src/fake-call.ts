import {
  type Connection,
  type HeaderBlock,
  HeaderTemplate,
  type Stream,
  type StreamEnd,
  type StreamSink,
} from "@dubhe/http2";
import { type AttemptObserver, type Channel, type ChannelCall, Code, RpcError } from "@dubhe/rpc";
import { FakeStream } from "./fake-network.js";

export interface FakeCallOptions {
  readonly waitForReady?: boolean;
  readonly control?: boolean;
  readonly bufferedBytes?: number;
  /** Whether the replay buffer is whole. Default true. */
  readonly keepsRequest?: boolean;
}

const TEMPLATE = new HeaderTemplate([":method", "POST", ":path", "/test.Service/Method"]);

/**
 * A call as channels see it, without messages. It checks what a channel must never do (two attempts at a time, an end
 * after the end, an attempt on a connection that just refused it) and throws when it happens.
 */
export class FakeCall implements ChannelCall {
  readonly service = "test.Service";
  readonly methodName = "Method";
  readonly deadline: number = Number.POSITIVE_INFINITY;
  readonly waitForReady: boolean;
  readonly control: boolean;
  readonly bufferedBytes: number;
  readonly keepsRequest: boolean;
  channelState: unknown = undefined;
  attempts = 0;
  /** Where each attempt ran. */
  readonly connections: Connection[] = [];
  readonly endpoints: string[] = [];
  #state: "waiting" | "running" | "done" | "failed" | "left" = "waiting";
  #stream: Stream | undefined;
  #error: RpcError | undefined;

  constructor(options: FakeCallOptions = {}) {
    this.waitForReady = options.waitForReady ?? false;
    this.control = options.control ?? false;
    this.bufferedBytes = options.bufferedBytes ?? 10;
    this.keepsRequest = options.keepsRequest ?? true;
  }

  /** `done` = the peer gave a status, `failed` = ended by the channel or the transport, `left` = by `leave`. */
  get state(): "waiting" | "running" | "done" | "failed" | "left" {
    return this.#state;
  }

  get stream(): Stream | undefined {
    return this.#stream;
  }

  get error(): RpcError | undefined {
    return this.#error;
  }

  startOn(connection: Connection, endpoint: string, observer: AttemptObserver): boolean {
    if (this.#state !== "waiting") throw new Error(`a channel started a call that is ${this.#state}`);
    if (connection === this.connections.at(-1)) throw new Error("a channel replayed a call on the same connection");
    let status = 0;
    let answered = false;
    const headers = (): void => {
      if (!answered) observer.attemptAnswered(this);
      answered = true;
    };
    const sink: StreamSink = {
      onHeaders: headers,
      onData: () => undefined,
      onTrailers: (block: HeaderBlock) => {
        headers();
        status = Number(block.fields[1]);
      },
      onWritable: () => undefined,
      onClose: (end: StreamEnd) => this.#ended(end, status, answered, observer),
    };
    const stream = connection.open(TEMPLATE, undefined, true, sink);
    if (stream === undefined) return false;
    this.#stream = stream;
    this.#state = "running";
    this.attempts += 1;
    this.connections.push(connection);
    this.endpoints.push(endpoint);
    return true;
  }

  fail(error: RpcError): void {
    if (this.#state !== "waiting") throw new Error(`a channel failed a call that is ${this.#state}`);
    this.#state = "failed";
    this.#error = error;
  }

  /** The peer of the attempt that runs answers with this gRPC status. */
  finish(status: number = 0): void {
    this.#running.finish(status);
  }

  /** The peer sends response HEADERS, and nothing more yet. */
  answer(): void {
    this.#running.answer();
  }

  /** The peer refuses the stream without having looked at it. */
  refuse(): void {
    this.#running.refuse();
  }

  get #running(): FakeStream {
    if (!(this.#stream instanceof FakeStream)) throw new Error(`a call that is ${this.#state} has no stream`);
    return this.#stream;
  }

  /** The caller gives up, in whatever state the call is. */
  leave(channel: Channel): void {
    if (this.#state === "waiting") {
      this.#state = "left";
      channel.cancel(this);
    } else if (this.#state === "running") {
      this.#state = "left";
      this.#stream?.reset(8);
    }
  }

  #ended(end: StreamEnd, status: number, answered: boolean, observer: AttemptObserver): void {
    const left = this.#state === "left";
    this.#stream = undefined;
    if (!left) this.#state = "waiting";
    const code = end.kind === "complete" ? status : left ? Code.Canceled : Code.Unavailable;
    const error =
      code === 0
        ? undefined
        : new RpcError(end.message, code, {
            source: end.kind === "complete" ? "peer" : left ? "local" : "transport",
            processed: end.processed,
          });
    const replayable = !left && !answered && end.processed === "no" && this.keepsRequest;
    const taken = observer.attemptEnded(this, { code, end, replayable, error });
    if (taken && !replayable) throw new Error("a channel took over a call that cannot be replayed");
    if (taken || left) return;
    this.#state = end.kind === "complete" ? "done" : "failed";
    this.#error = error;
  }
}

/** How many calls are in which state: `{ running: 3, waiting: 2 }`. */
export function callStates(calls: readonly FakeCall[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { state } of calls) counts[state] = (counts[state] ?? 0) + 1;
  return counts;
}
