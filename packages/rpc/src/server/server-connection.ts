import type { Connection, ConnectionSink, HeaderBlock, Stream, StreamSink } from "@dubhe/http2";
import type { RpcError } from "../rpc-error.js";
import { acceptCall } from "./accept-call.js";
import { CallList } from "./call-list.js";
import { ConnectionIdentity } from "./connection-identity.js";
import { createPeer, type Peer } from "./peer.js";
import type { RpcServer } from "./rpc-server.js";
import type { CallHost, ServerCall } from "./server-call.js";

/** One HTTP/2 connection of a server: turns requests into calls. */
export class ServerConnection implements ConnectionSink, CallHost {
  readonly server: RpcServer;
  readonly connection: Connection;
  readonly peer: Peer;
  readonly calls: CallList = new CallList();
  readonly #identity: ConnectionIdentity;

  constructor(server: RpcServer, id: number, connection: Connection) {
    this.server = server;
    this.connection = connection;
    this.#identity = new ConnectionIdentity(server.env.runtime, id, connection);
    this.peer = createPeer(connection, this.#identity);
  }

  onReady(): void {}

  onStream(stream: Stream, block: HeaderBlock, endStream: boolean): StreamSink {
    return acceptCall(this, stream, block, endStream);
  }

  onCapacity(): void {}

  onDraining(): void {}

  onClose(): void {
    this.server.connectionClosed(this);
    this.#identity.markClosed();
  }

  callEnded(call: ServerCall, error: RpcError | undefined): void {
    this.calls.remove(call);
    this.server.callEnded(error);
  }

  /** GOAWAY; what still runs after `graceMs` is cut off. */
  drain(graceMs: number): void {
    this.connection.drain({ graceMs });
  }
}
