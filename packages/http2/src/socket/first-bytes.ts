import type { Socket } from "node:net";

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

/**
 * Reads until the bytes are HTTP/2's preface or cannot become it (RFC 9113 §3.4: no HTTP/1 request starts like it), then
 * calls `decided` with all of them, once. Not at all when the socket ends before. The socket is left flowing.
 */
export function readFirstBytes(socket: Socket, decided: (isHttp2: boolean, bytes: Buffer) => void): void {
  let seen: Buffer | undefined;
  const onData = (chunk: Buffer): void => {
    const bytes = seen === undefined ? chunk : Buffer.concat([seen, chunk]);
    const length = Math.min(bytes.length, PREFACE.length);
    const matches = PREFACE.compare(bytes, 0, length, 0, length) === 0;
    if (matches && length < PREFACE.length) {
      seen = bytes;
      return;
    }
    socket.off("data", onData);
    decided(matches, bytes);
  };
  socket.on("data", onData);
}
