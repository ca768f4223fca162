// A TCP relay between a peer and Dubhe that keeps every HTTP/2 frame of both directions, in the order in which they passed.
import { connect, createServer } from "node:net";
import { FrameTextReader } from "@dubhe/testing";

/** The frames of one side of one connection, as they become whole. */
class Side {
  #reader;
  #rest = Buffer.alloc(0);
  #prefaceDue;

  constructor(fromClient) {
    this.#reader = new FrameTextReader(fromClient);
    this.#prefaceDue = fromClient;
  }

  *read(chunk) {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    if (this.#prefaceDue) {
      if (this.#rest.length < 24) return;
      this.#reader.read(this.#rest.subarray(0, 24));
      this.#rest = this.#rest.subarray(24);
      this.#prefaceDue = false;
    }
    while (this.#rest.length >= 9) {
      const end = 9 + this.#rest.readUIntBE(0, 3);
      if (this.#rest.length < end) return;
      const frame = this.#rest.subarray(0, end);
      this.#rest = this.#rest.subarray(end);
      yield {
        stream: frame.readUInt32BE(5) & 0x7fffffff,
        payload: frame.subarray(9),
        text: this.#reader.read(frame)[0],
      };
    }
  }
}

/** All frames of one request: `up` from the client, `down` from the server, `all` in the order in which they passed. */
class Exchange {
  constructor(all) {
    this.all = all;
    this.connection = all[0].connection;
    this.up = all.filter(({ from }) => from === "client");
    this.down = all.filter(({ from }) => from === "server");
    this.request = this.up[0].text;
  }

  /** The gRPC messages of one side: whether each is compressed, and its bytes. */
  static messages(frames) {
    const bytes = Buffer.concat(frames.filter(({ text }) => text.startsWith("DATA ")).map(({ payload }) => payload));
    const messages = [];
    for (let at = 0; at < bytes.length; ) {
      const end = at + 5 + bytes.readUInt32BE(at + 1);
      messages.push({ compressed: bytes[at] === 1, payload: bytes.subarray(at + 5, end) });
      at = end;
    }
    return messages;
  }

  /** The header blocks of one side. */
  static blocks(frames) {
    return frames.map(({ text }) => text).filter((text) => text.startsWith("HEADERS "));
  }

  toString() {
    return this.all.map(({ from, text }) => `${from === "client" ? "→" : "←"} ${text}`).join("\n");
  }
}

export const { messages, blocks } = Exchange;

/** @param port where the server listens; the recorder listens on all addresses: dubbo-java does not call loopback ones */
export async function startRecorder(trial, port) {
  const frames = [];
  const sockets = new Set();
  let connections = 0;
  const server = createServer((near) => {
    const connection = connections++;
    const far = connect(port, "127.0.0.1");
    for (const [from, to, name] of [
      [near, far, "client"],
      [far, near, "server"],
    ]) {
      const side = new Side(name === "client");
      sockets.add(from);
      from.setNoDelay(true);
      from.on("data", (chunk) => {
        for (const frame of side.read(chunk)) frames.push({ connection, from: name, ...frame });
        to.write(chunk);
      });
      from.on("end", () => to.end());
      from.on("error", () => to.destroy());
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  await new Promise((resolve, reject) => server.once("error", reject).listen(0, "0.0.0.0", resolve));
  trial.onEnd(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return {
    port: server.address().port,
    url: `tri://127.0.0.1:${server.address().port}`,
    /** The requests for a path that ends so, since the last `forget`. */
    exchanges(path) {
      const opened = frames.filter(
        ({ from, text }) => from === "client" && new RegExp(`^HEADERS .* :path=\\S*${path}( |$)`).test(text),
      );
      return opened.map(
        ({ connection, stream }) =>
          new Exchange(frames.filter((frame) => frame.connection === connection && frame.stream === stream)),
      );
    },
    /** The only such request since the last `forget`. */
    exchange(path) {
      const found = this.exchanges(path);
      if (found.length !== 1) throw new Error(`${found.length} requests for ${path}\n${found.join("\n--\n")}`);
      return found[0];
    },
    /** What has passed is of no interest any more; connections stay. */
    forget: () => {
      frames.length = 0;
    },
  };
}
