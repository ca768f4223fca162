import { connect as connectHttp2, constants } from "node:http2";
import { FrameCutter, frameOf } from "./frames.mjs";

/** @param {import("../subject.mjs").Target} target */
export async function connect({ port, tls, payload }) {
  const frame = frameOf(Buffer.alloc(payload, 0x61));
  const session =
    tls === undefined
      ? connectHttp2(`http://127.0.0.1:${port}`)
      : connectHttp2(`https://localhost:${port}`, { ca: tls.cert });
  session.setMaxListeners(0);
  await new Promise((resolve, reject) => session.once("remoteSettings", resolve).once("error", reject));
  const headers = (method) => ({
    [constants.HTTP2_HEADER_METHOD]: "POST",
    [constants.HTTP2_HEADER_PATH]: `/dubhe.bench.v1.EchoService/${method}`,
    "content-type": "application/grpc+proto",
    te: "trailers",
  });
  const open = (method) => new RawStream(session.request(headers(method)), frame);
  const once = async (method) => {
    const stream = open(method);
    const answer = stream.exchange();
    const end = stream.end();
    await answer;
    await end;
  };
  return {
    unary: () => once("Unary"),
    park: () => once("Park"),
    openStream: () => open("Chat"),
    openLongStream: () => open("Chat"),
    fire: (_count, onMessage) => open("Fire").receiveAll(onMessage),
  };
}

class RawStream {
  #stream;
  #frame;
  #cutter = new FrameCutter();
  #onFrame;
  #ended;
  #status;

  constructor(stream, frame) {
    this.#stream = stream;
    this.#frame = frame;
    this.#ended = new Promise((resolve, reject) => {
      stream.on("trailers", (trailers) => {
        this.#status = trailers["grpc-status"];
      });
      stream.on("error", reject);
      stream.on("close", () =>
        this.#status === "0" ? resolve() : reject(new Error(`the stream ended with status ${this.#status}`)),
      );
    });
    this.#ended.catch(() => {}); // told to who waits for it
    stream.on("data", (chunk) => this.#cutter.cut(chunk, (got) => this.#onFrame(got)));
  }

  exchange() {
    return new Promise((resolve, reject) => {
      this.#onFrame = (got) =>
        got.length === this.#frame.length ? resolve() : reject(new Error(`the echo has ${got.length} octets`));
      this.#stream.write(this.#frame);
    });
  }

  end() {
    this.#stream.end();
    return this.#ended;
  }

  receiveAll(onMessage) {
    this.#onFrame = onMessage;
    this.#stream.end(this.#frame);
    return this.#ended;
  }
}
