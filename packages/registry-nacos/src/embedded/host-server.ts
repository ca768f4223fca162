import { randomUUID } from "node:crypto";
import {
  type HandlerContext,
  type MessageIterator,
  type PeerConnection,
  type RpcEnvironment,
  RpcServer,
} from "@dubhe/rpc";
import { BiRequestStream, type Payload, Request } from "../../gen/nacos_grpc_pb.js";
import { toError } from "../errors.js";
import type { JsonObject } from "../json.js";
import { OutboundQueue } from "../outbound-queue.js";
import { decodeBody, decodePayload, encodePayload } from "../payload.js";
import { MAX_MESSAGE_BYTES } from "../rpc-transport.js";
import { EmbeddedHost, type HostOptions } from "./host.js";

export interface HostServerOptions extends Omit<HostOptions, "id"> {
  /** Bound on 127.0.0.1; 0 = any free one. */
  readonly port: number;
}

/** Messages to peers that are still to go out when the host ends. */
const CLOSE_GRACE_MS = 50;
const LOOPBACK = "127.0.0.1";

interface Peer {
  readonly id: string;
  /** The client's stream, once it opened one. */
  outbound: OutboundQueue<Payload> | undefined;
}

/** The embedded registry on a socket: hands gRPC calls to an {@link EmbeddedHost} and carries its pushes. */
export class HostServer {
  readonly host: EmbeddedHost;
  readonly port: number;
  readonly #server: RpcServer;

  private constructor(host: EmbeddedHost, server: RpcServer, port: number) {
    this.host = host;
    this.#server = server;
    this.port = port;
  }

  /** Rejects with EADDRINUSE when another process has the port. */
  static async start(env: RpcEnvironment, options: HostServerOptions): Promise<HostServer> {
    const byConnection = new WeakMap<PeerConnection, Peer>();
    const byId = new Map<string, Peer>();
    const host = new EmbeddedHost(
      env.runtime,
      {
        push: (client, type, body) => byId.get(client)?.outbound?.push(encodePayload(type, body)),
        disconnect: (client) => byId.get(client)?.outbound?.end(),
      },
      { ...options, id: randomUUID() },
    );

    const peerOf = ({ peer: { connection } }: HandlerContext): Peer => {
      let peer = byConnection.get(connection);
      if (peer === undefined) {
        // The form of a Nacos server's ids: when, from where.
        const id = `${Math.floor(env.runtime.clock.wallTime())}_${(connection.address ?? LOOPBACK).replace(":", "_")}`;
        const made: Peer = { id, outbound: undefined };
        peer = made;
        byConnection.set(connection, made);
        byId.set(id, made);
        host.connected(id);
        connection.onClose(() => {
          byId.delete(id);
          made.outbound?.end();
          host.disconnected(id);
        });
      }
      return peer;
    };

    // Nacos speaks gRPC alone; and a page in a browser on this machine can reach the loopback.
    const server = new RpcServer(env, { maxReceiveBytes: MAX_MESSAGE_BYTES, http1: false });
    server.add(Request, {
      request(payload, context) {
        const { type, body } = host.request(peerOf(context).id, readRequest(payload));
        return encodePayload(type, body);
      },
    });
    server.add(BiRequestStream, {
      requestBiStream(requests, context) {
        const peer = peerOf(context);
        peer.outbound?.end();
        const outbound = new OutboundQueue<Payload>();
        peer.outbound = outbound;
        void receiveAll(requests, (payload) => host.received(peer.id, decodePayload(payload))).then((error) => {
          if (error !== undefined) env.runtime.report(error, `stream of ${peer.id} to the embedded registry`);
          // As with Nacos, only the end of the connection ends what belongs to it.
          outbound.end();
        });
        return outbound;
      },
    });
    try {
      const { port } = await server.listen({ host: LOOPBACK, port: options.port });
      return new HostServer(host, server, port);
    } catch (error) {
      host.close();
      await server.close({ graceMs: 0 });
      throw toError(error);
    }
  }

  async close(): Promise<void> {
    this.host.close();
    await this.#server.close({ graceMs: CLOSE_GRACE_MS });
  }
}

function readRequest(payload: Payload): { readonly type: string; readonly body: JsonObject | undefined } {
  const type = payload.metadata?.type ?? "";
  try {
    return { type, body: decodeBody(type, payload) };
  } catch {
    return { type, body: undefined };
  }
}

/** Resolves at the end of the stream, with the reason if it was a message that nobody could read. Never rejects. */
async function receiveAll(
  requests: MessageIterator<Payload>,
  receive: (payload: Payload) => void,
): Promise<Error | undefined> {
  for (;;) {
    let result: IteratorResult<Payload, undefined>;
    try {
      result = await requests.next();
    } catch {
      // The peer is gone: no news.
      return undefined;
    }
    if (result.done === true) return undefined;
    try {
      receive(result.value);
    } catch (error) {
      void requests.return();
      return toError(error);
    }
  }
}
