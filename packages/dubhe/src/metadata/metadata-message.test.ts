import assert from "node:assert/strict";
import { test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { createMetadataInfo } from "@dubhe/discovery";
import { MetadataInfoV2Schema, ServiceInfoV2Schema } from "../../gen/metadata_service_v2_pb.js";
import { fromMessage, toMessage } from "./metadata-message.js";

const info = createMetadataInfo({
  app: "shop",
  services: [
    { name: "greet.GreetService", port: 50051, params: { methods: "greet,chat" } },
    { name: "greet.GreetService", group: "g", version: "1.0.0", port: 50051 },
  ],
  tag: "gray",
});

test("metadata survives the wire", () => {
  const bytes = toBinary(MetadataInfoV2Schema, toMessage(info));
  assert.deepEqual(fromMessage(fromBinary(MetadataInfoV2Schema, bytes)), info);
});

test("the revision travels as version, services by match key", () => {
  const message = toMessage(info);
  assert.equal(message.version, info.revision);
  assert.deepEqual(Object.keys(message.services).sort(), ["g/greet.GreetService:1.0.0:tri", "greet.GreetService:tri"]);
});

test("what peers leave out or get wrong is read leniently", () => {
  const message = create(MetadataInfoV2Schema, {
    app: "java-app",
    version: "r1",
    services: {
      whatever: create(ServiceInfoV2Schema, { name: "a.B", protocol: "tri", port: -1 }),
      nameless: create(ServiceInfoV2Schema, { protocol: "tri" }),
      beyond: create(ServiceInfoV2Schema, { name: "a.C", protocol: "tri", port: 65_536 }),
    },
  });
  const read = fromMessage(message);
  assert.deepEqual(
    read.services.map(({ name, port, path }) => ({ name, port, path })),
    [
      { name: "a.B", port: 0, path: "a.B" },
      { name: "a.C", port: 0, path: "a.C" },
    ],
  );
});
