import { create } from "@bufbuild/protobuf";
import type { Client } from "dubhe";
import { type ExchangeService, type Message, MessageSchema } from "../gen/exchange_pb.js";
import { addToDigest, emptyDigest, payloadOf, sameBytes } from "./content.js";

/** A reply that is not what it must be: never excused, whatever happens to providers. */
export class WrongContent extends Error {}

/** One bidirectional exchange: each message is sent when the reply to the one before has come. Returns who answered. */
export async function holdExchange(
  client: Client<typeof ExchangeService>,
  exchange: bigint,
  messages: number,
  payloadBytes: number,
  timeoutMs: number,
  onReply: (provider: string) => void,
): Promise<string> {
  const turn = new Turn();
  let digest = emptyDigest;
  let received = 0;
  let provider = "";
  for await (const reply of client.exchange(outgoing(exchange, messages, payloadBytes, turn), { timeoutMs })) {
    const payload = payloadOf(exchange, received, payloadBytes);
    digest = addToDigest(digest, payload);
    if (reply.exchange !== exchange) throw new WrongContent(`exchange ${exchange} got a reply of ${reply.exchange}`);
    if (reply.sequence !== received)
      throw new WrongContent(`reply ${received} of ${exchange} came as ${reply.sequence}`);
    if (reply.digest !== digest) throw new WrongContent(`reply ${received} of ${exchange} has a wrong digest`);
    if (!sameBytes(reply.payload, payload))
      throw new WrongContent(`reply ${received} of ${exchange} has a wrong payload`);
    if (provider !== "" && reply.provider !== provider) throw new WrongContent(`two providers answered ${exchange}`);
    provider = reply.provider;
    received++;
    onReply(provider);
    turn.pass();
  }
  if (received !== messages) throw new WrongContent(`${exchange} ended well after ${received} of ${messages} replies`);
  return provider;
}

async function* outgoing(
  exchange: bigint,
  messages: number,
  payloadBytes: number,
  turn: Turn,
): AsyncGenerator<Message> {
  for (let sequence = 0; sequence < messages; sequence++) {
    if (sequence > 0) await turn.wait();
    yield create(MessageSchema, { exchange, sequence, payload: payloadOf(exchange, sequence, payloadBytes) });
  }
}

/** Lets the sender go on once for each reply. */
class Turn {
  #passes = 0;
  #waiting: (() => void) | undefined;

  pass(): void {
    this.#passes++;
    this.#waiting?.();
    this.#waiting = undefined;
  }

  async wait(): Promise<void> {
    if (this.#passes === 0) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
    this.#passes--;
  }
}
