// greet.GreetService with one method more than any server has, for the call "unknown-method".
import { clone, create, createFileRegistry } from "@bufbuild/protobuf";
import {
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  MethodDescriptorProtoSchema,
} from "@bufbuild/protobuf/wkt";
import { file_greet } from "../gen/greet_pb.js";

const file = clone(FileDescriptorProtoSchema, file_greet.proto);
file.service[0].method.push(
  create(MethodDescriptorProtoSchema, {
    name: "NoSuchMethod",
    inputType: ".greet.GreetRequest",
    outputType: ".greet.GreetResponse",
  }),
);
export const GreetService = createFileRegistry(create(FileDescriptorSetSchema, { file: [file] })).getService(
  "greet.GreetService",
);
