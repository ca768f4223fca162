// The runner's protocol on stdin and stdout: Protobuf messages, each after its size in four bytes, most significant first.
import { fromBinary, toBinary } from "@bufbuild/protobuf";

/** Messages of `schema` from a stream of bytes, until it ends. */
export async function* readMessages(schema, input) {
  let buffered = Buffer.alloc(0);
  for await (const chunk of input) {
    buffered = Buffer.concat([buffered, chunk]);
    while (buffered.length >= 4) {
      const end = 4 + buffered.readUInt32BE(0);
      if (buffered.length < end) break;
      const message = fromBinary(schema, new Uint8Array(buffered.subarray(4, end)));
      buffered = buffered.subarray(end);
      yield message;
    }
  }
  if (buffered.length > 0) throw new Error(`the input ended inside a message (${buffered.length} bytes left)`);
}

/** Resolves once the bytes are out. */
export function writeMessage(schema, message, output) {
  const bytes = toBinary(schema, message);
  const framed = Buffer.alloc(4 + bytes.length);
  framed.writeUInt32BE(bytes.length, 0);
  framed.set(bytes, 4);
  return new Promise((resolve, reject) => output.write(framed, (error) => (error ? reject(error) : resolve())));
}
