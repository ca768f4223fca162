// greet.GreetService as the Go and Java peers implement it.
import { setTimeout as sleep } from "node:timers/promises";
import { RpcError } from "dubhe";
import { CANCELLED_STREAMS } from "./greet-calls.mjs";

function reply(peer, context, name, index) {
  const attachments = {};
  for (const [key, value] of context.requestHeaders) {
    if (key.startsWith("peer-"))
      attachments[key] = attachments[key] === undefined ? value : `${attachments[key]},${value}`;
  }
  return { greeting: `hello ${name}`, peer, index, attachments };
}

async function act(request, context) {
  if (request.delayMs > 0) await sleep(request.delayMs, undefined, { signal: context.signal });
  if (request.fail === "") return;
  throw request.failCode === 0 ? new Error(request.fail) : new RpcError(request.fail, request.failCode);
}

/** @param peer what `peer` of every answer says */
export function greetService(peer) {
  let cancelled = 0;
  return {
    async greet(request, context) {
      if (request.name === CANCELLED_STREAMS) return reply(peer, context, request.name, cancelled);
      await act(request, context);
      return reply(peer, context, request.name, 0);
    },
    async *greetServerStream(request, context) {
      for (let i = 0; i < (request.count || 3); i++) yield reply(peer, context, request.name, i);
      await act(request, context);
    },
    async greetClientStream(requests, context) {
      const names = [];
      for await (const request of requests) {
        await act(request, context);
        names.push(request.name);
      }
      return reply(peer, context, names.join("+"), names.length);
    },
    async *greetBidiStream(requests, context) {
      let index = 0;
      context.signal.addEventListener("abort", () => {
        cancelled += 1;
      });
      for await (const request of requests) {
        await act(request, context);
        yield reply(peer, context, request.name, index++);
      }
    },
  };
}
