import { connect as connectTcp } from "node:net";
import { UNARY_OVERHEAD } from "./wire.mjs";

/** @param {import("../subject.mjs").Target} target */
export async function connect({ port, payload }) {
  const socket = connectTcp({ host: "127.0.0.1", port, noDelay: true });
  await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  const size = Buffer.alloc(4);
  size.writeUInt32BE(payload);
  socket.write(size);
  const request = Buffer.alloc(payload + UNARY_OVERHEAD.request, 0x61);
  const responseSize = payload + UNARY_OVERHEAD.response;
  const waiting = [];
  let first = 0;
  let received = 0;
  socket.on("data", (chunk) => {
    for (received += chunk.length; received >= responseSize; received -= responseSize) waiting[first++]();
    if (first < 1024) return;
    waiting.splice(0, first);
    first = 0;
  });
  // One write a turn, as the others do.
  let queued = 0;
  const flush = () => {
    const calls = queued;
    queued = 0;
    socket.write(calls === 1 ? request : Buffer.concat(Array.from({ length: calls }, () => request)));
  };
  const unary = () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      if (queued++ === 0) process.nextTick(flush);
    });
  return { unary, openLongStream: () => ({ exchange: unary, end: async () => {} }) };
}
