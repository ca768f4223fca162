import { create } from "@bufbuild/protobuf";
import { Code, createApp, type HandlerContext, RpcError } from "dubhe";
import { ExchangeService, type Message, type Reply, ReplySchema } from "../gen/exchange_pb.js";
import { addToDigest, emptyDigest, payloadOf, sameBytes } from "./content.js";
import type { FromChild, ProviderCounts, ProviderStart, ToChild } from "./messages.js";
import type { Fault } from "./options.js";

/** One provider process: serves ExchangeService, counts what it did, leaves when it is told or its parent is gone. */
class Provider {
  readonly #start: ProviderStart;
  readonly #counts = { started: 0, completed: 0, received: 0, replied: 0, abandoned: 0 };

  constructor(start: ProviderStart) {
    this.#start = start;
  }

  async run(): Promise<void> {
    const { registry, groups } = this.#start;
    const app = createApp({ name: "incident-provider", registry });
    const server = app.createServer({ listen: "127.0.0.1:0" });
    const implementation = {
      exchange: (requests: AsyncIterable<Message>, ctx: HandlerContext) => this.exchange(requests, ctx),
    };
    for (const group of groups) server.add(ExchangeService, implementation, { group });
    await server.start();
    send({ kind: "ready", address: server.address });
    const counting = setInterval(() => send({ kind: "counts", counts: this.counts }), 200);
    await new Promise<void>((resolve) => {
      process.on("message", (message: ToChild) => {
        if (message.kind === "stop") resolve();
      });
    });
    clearInterval(counting);
    await app.close();
    send({ kind: "stopped", counts: this.counts });
  }

  get counts(): ProviderCounts {
    return { ...this.#counts };
  }

  async *exchange(requests: AsyncIterable<Message>, _ctx: HandlerContext): AsyncGenerator<Reply> {
    const counts = this.#counts;
    const { fault, name } = this.#start;
    counts.started++;
    let digest = emptyDigest;
    let sequence = 0;
    let whole = false;
    try {
      for await (const message of requests) {
        counts.received++;
        const expected = payloadOf(message.exchange, sequence, message.payload.length);
        if (message.sequence !== sequence || !sameBytes(message.payload, expected)) {
          throw new RpcError(
            `exchange ${message.exchange}: message ${sequence} came as ${message.sequence}`,
            Code.DataLoss,
          );
        }
        digest = addToDigest(digest, message.payload);
        const reply = create(ReplySchema, {
          exchange: message.exchange,
          sequence,
          digest: misbehave(fault, "wrong-content") ? (digest ^ 1) >>> 0 : digest,
          provider: name,
          payload: message.payload,
        });
        sequence++;
        if (misbehave(fault, "fail")) throw new RpcError("this provider was told to fail", Code.FailedPrecondition);
        if (misbehave(fault, "stall")) await new Promise<never>(() => {});
        counts.replied++;
        yield reply;
        if (misbehave(fault, "early-end")) return;
      }
      whole = true;
    } finally {
      if (whole) counts.completed += misbehave(fault, "double-count") ? 2 : 1;
      else counts.abandoned++;
    }
  }
}

function misbehave(fault: Fault, which: Fault): boolean {
  return fault === which;
}

function send(message: FromChild): void {
  if (process.connected) process.send?.(message);
}

process.on("disconnect", () => process.exit(0));
process.once("message", (message: ToChild) => {
  if (message.kind !== "provider") return;
  new Provider(message)
    .run()
    .then(() => process.disconnect?.())
    .catch((error: unknown) => {
      send({ kind: "crash", error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
      process.exitCode = 1;
      process.disconnect?.();
    });
});
