import type { RpcEnvironment } from "@dubhe/rpc";
import { type HandlerContext, type MessageSource, RpcServer } from "@dubhe/rpc";
import { Auth, KV, Lease, Watch } from "../../gen/etcd_rpc_pb.js";
import type { CallSettings, EtcdLink } from "../etcd-link.js";
import { OutboundQueue } from "../outbound-queue.js";
import type { FakeEtcd } from "./fake-etcd.js";

/** The fake cluster behind a real port, so that what goes over the wire is what the client sends. */
export async function serveFakeEtcd(env: RpcEnvironment, etcd: FakeEtcd): Promise<{ server: RpcServer; port: number }> {
  const link = etcd.linkTo({ host: "inside", port: 1 });
  const settings = ({ signal, requestHeaders }: HandlerContext): CallSettings => ({
    signal,
    token: requestHeaders.get("token") ?? undefined,
  });
  const server = new RpcServer(env)
    .add(KV, {
      range: (request, context) => link.range(request, settings(context)),
      put: (request, context) => link.put(request, settings(context)),
      deleteRange: (request, context) => link.deleteRange(request, settings(context)),
      txn: (request, context) => link.txn(request, settings(context)),
    })
    .add(Lease, {
      leaseGrant: (request, context) => link.leaseGrant(request, settings(context)),
      leaseRevoke: (request, context) => link.leaseRevoke(request, settings(context)),
      leaseTimeToLive: (request, context) => link.leaseTimeToLive(request, settings(context)),
      leaseKeepAlive: (requests, context) =>
        answers(requests, (receive) => link.keepAlive(receive, settings(context).token)),
    })
    .add(Watch, {
      watch: (requests, context) => {
        // Watches end with their stream, so each has a link of its own.
        return answers(requests, (receive) => watchLink(etcd, context).watch(receive, settings(context).token));
      },
    })
    .add(Auth, { authenticate: (request, context) => link.authenticate(request, settings(context)) });
  const { port } = await server.listen({ host: "127.0.0.1", port: 0 });
  return { server, port };
}

function watchLink(etcd: FakeEtcd, { signal }: HandlerContext): EtcdLink {
  const link = etcd.linkTo({ host: "inside", port: 1 });
  signal.addEventListener("abort", () => link.destroy(new Error("the stream has ended")));
  return link;
}

function answers<I, O>(
  requests: AsyncIterable<I>,
  open: (receive: (message: O) => void) => { send(message: I): void },
): MessageSource<O> {
  const queue = new OutboundQueue<O>();
  const stream = open((message) => queue.push(message));
  void (async () => {
    try {
      for await (const request of requests) stream.send(request);
    } catch {
      // The client has gone.
    }
    queue.end();
  })();
  return queue;
}
