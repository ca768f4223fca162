// Somebody else's client of a Nacos server, as small as can be, over node:http2: it shares nothing with what is tested
// but the description of the messages.
import { connect } from "node:http2";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { PayloadSchema } from "../../packages/registry-nacos/gen/nacos_grpc_pb.js";

function frame(type, body) {
  const value = new TextEncoder().encode(JSON.stringify(body));
  const message = toBinary(PayloadSchema, create(PayloadSchema, { metadata: { type }, body: { value } }));
  const framed = Buffer.alloc(5 + message.length);
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, 5);
  return framed;
}

function reader(onMessage) {
  let buffered = Buffer.alloc(0);
  return (chunk) => {
    buffered = Buffer.concat([buffered, chunk]);
    while (buffered.length >= 5) {
      const length = buffered.readUInt32BE(1);
      if (buffered.length < 5 + length) return;
      const { metadata, body } = fromBinary(PayloadSchema, buffered.subarray(5, 5 + length));
      buffered = buffered.subarray(5 + length);
      onMessage(metadata?.type ?? "", JSON.parse(new TextDecoder().decode(body?.value) || "{}"));
    }
  };
}

/** A registered connection to `nacos://host:port`. `request` gives the answer's body, whatever it says. */
export async function adminOf(url) {
  const { hostname, port } = new URL(url);
  const session = connect(`http://${hostname}:${Number(port) + 1000}`);
  session.on("error", () => {});
  const headers = (path) => ({ ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" });
  const request = (type, body) =>
    new Promise((resolve, reject) => {
      const stream = session.request(headers("/Request/request"));
      stream.on(
        "data",
        reader((_type, answer) => resolve(answer)),
      );
      stream.on("error", reject);
      stream.on("end", () => reject(new Error(`no answer to ${type}`)));
      stream.end(frame(type, body));
    });
  await request("ServerCheckRequest", { module: "internal" });
  const stream = session.request(headers("/BiRequestStream/requestBiStream"));
  stream.on("error", () => {});
  const ready = new Promise((resolve) => {
    stream.on(
      "data",
      reader((type, body) => {
        if (type === "SetupAckRequest") resolve();
        stream.write(
          frame(type.replace("Request", "Response"), { resultCode: 200, success: true, requestId: body.requestId }),
        );
      }),
    );
  });
  const setup = {
    clientVersion: "Dubhe-Admin:v0",
    tenant: "",
    labels: { source: "sdk", module: "naming" },
    module: "internal",
    abilityTable: {},
  };
  stream.write(frame("ConnectionSetupRequest", setup));
  await ready;
  return {
    request,
    close: () =>
      new Promise((resolve) => {
        session.once("close", resolve);
        session.destroy();
      }),
  };
}
