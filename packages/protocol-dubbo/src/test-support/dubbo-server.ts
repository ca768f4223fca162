import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import type { TestContext } from "node:test";
import { encodeValue, HessianReader } from "@dubhe/hessian2";
import { encodeFrame, type Frame, FrameReader } from "../frame.js";

export interface Request {
  readonly socket: Socket;
  readonly frame: Frame;
  /** The sixth value of a call's body. */
  readonly argument: unknown;
}

export interface TestServer {
  readonly port: number;
  readonly sockets: Set<Socket>;
  accepted: number;
}

/** A server of the dubbo protocol that does with each frame what the test says. */
export async function dubboServer(t: TestContext, handle: (request: Request) => void): Promise<TestServer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    state.accepted++;
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => undefined);
    const reader = new FrameReader();
    socket.on("data", (chunk: Buffer) => {
      reader.push(chunk, (frame) => handle({ socket, frame, argument: frame.event ? null : argumentOf(frame) }));
    });
  });
  const state = { port: 0, sockets, accepted: 0 };
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  state.port = (server.address() as AddressInfo).port;
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return state;
}

function argumentOf(frame: Frame): unknown {
  if (!frame.request) return null;
  const reader = new HessianReader(frame.body);
  for (let i = 0; i < 5; i++) reader.read();
  return reader.read();
}

export const respond = ({ socket, frame }: Request, ...values: unknown[]): void => {
  const body = Buffer.concat(values.map((value) => encodeValue(value)));
  socket.write(encodeFrame({ ...frame, request: false, twoWay: false, status: 20, body }));
};
