import assert from "node:assert/strict";
import { test } from "node:test";
import {
  create,
  createFileRegistry,
  type FileRegistry,
  fromBinary,
  getOption,
  type MessageInitShape,
} from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import {
  audience,
  bounds,
  DescribedService,
  EchoService,
  echoHandlers,
  type RpcPair,
  rpcPair,
  VirtualClock,
  withLeakCheck,
} from "@dubhe/testing";
import {
  ServerReflection,
  type ServerReflectionRequestSchema,
  type ServerReflectionResponse,
} from "../../gen/grpc/reflection/v1/reflection_pb.js";
import { ServerReflection as ServerReflectionV1Alpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.js";
import { Code } from "../code.js";
import { addReflection } from "./add-reflection.js";
import { ReflectionSession, type ReflectionSessions } from "./reflection-session.js";

type Question = NonNullable<MessageInitShape<typeof ServerReflectionRequestSchema>["messageRequest"]>;

const file = (name: string): string => `dubhe/testing/v1/${name}.proto`;
const described = [
  file("described"),
  file("kinds"),
  "google/protobuf/descriptor.proto",
  "google/protobuf/struct.proto",
  "google/protobuf/wrappers.proto",
];

/** The answers to some questions, asked in one session. */
async function ask(pair: RpcPair, ...questions: Question[]): Promise<ServerReflectionResponse["messageResponse"][]> {
  const answers: ServerReflectionResponse["messageResponse"][] = [];
  const session = pair
    .client(ServerReflection)
    .serverReflectionInfo(questions.map((messageRequest) => ({ host: "h", messageRequest })));
  for await (const { validHost, originalRequest, messageResponse } of session) {
    assert.equal(validHost, "h");
    assert.equal(originalRequest?.messageRequest.case, questions[answers.length]?.case);
    answers.push(messageResponse);
  }
  return answers;
}

function filesOf(answer: ServerReflectionResponse["messageResponse"] | undefined): FileDescriptorProto[] {
  assert.equal(answer?.case, "fileDescriptorResponse", JSON.stringify(answer));
  return answer.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
}

function registryOf(answer: ServerReflectionResponse["messageResponse"] | undefined): FileRegistry {
  return createFileRegistry(create(FileDescriptorSetSchema, { file: inOrder(filesOf(answer)) }));
}

/** Dependencies first, as a registry is built. */
function inOrder(files: FileDescriptorProto[]): FileDescriptorProto[] {
  const sorted: FileDescriptorProto[] = [];
  const add = (one: FileDescriptorProto | undefined): void => {
    assert.ok(one, "every dependency was sent");
    if (sorted.includes(one)) return;
    for (const name of one.dependency) add(files.find((other) => other.name === name));
    sorted.push(one);
  };
  for (const one of files) add(one);
  return sorted;
}

async function describedPair(): Promise<RpcPair> {
  const pair = await rpcPair();
  pair.server.add(DescribedService, {});
  addReflection(pair.server);
  return pair;
}

test(
  "the services are those that the server has at that moment, its own included, each once",
  withLeakCheck(async () => {
    await using pair = await describedPair();
    const list = async (): Promise<string[]> => {
      const [answer] = await ask(pair, { case: "listServices", value: "*" });
      assert.equal(answer?.case, "listServicesResponse");
      return answer.value.service.map(({ name }) => name);
    };
    const own = ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"];
    assert.deepEqual(await list(), ["dubhe.testing.v1.DescribedService", ...own]);
    pair.server.add(EchoService, echoHandlers()).add(EchoService, echoHandlers(), { version: "2.0.0" });
    assert.deepEqual(await list(), ["dubhe.testing.v1.DescribedService", "dubhe.testing.v1.EchoService", ...own]);
    pair.server.remove(DescribedService);
    assert.deepEqual(await list(), ["dubhe.testing.v1.EchoService", ...own]);
    const symbols = ["dubhe.testing.v1.DescribedService", "dubhe.testing.v1.EchoService"];
    const answers = await ask(pair, ...symbols.map((value) => ({ case: "fileContainingSymbol", value }) as const));
    assert.deepEqual(
      answers.map((answer) => answer.case),
      ["errorResponse", "fileDescriptorResponse"],
    );
  }),
);

test(
  "a file comes with all that it imports, itself first; what the caller has already is not sent again, but for the file itself",
  withLeakCheck(async () => {
    await using pair = await describedPair();
    const answers = await ask(
      pair,
      { case: "fileByFilename", value: "google/protobuf/struct.proto" },
      { case: "fileByFilename", value: file("described") },
      { case: "fileByFilename", value: file("described") },
    );
    const [first, second, third] = answers.map((answer) => filesOf(answer).map(({ name }) => name));
    assert.deepEqual(first, ["google/protobuf/struct.proto"]);
    assert.equal(second?.[0], file("described"));
    assert.deepEqual(
      second?.toSorted(),
      described.filter((name) => name !== "google/protobuf/struct.proto"),
    );
    assert.deepEqual(third, [file("described")]);
  }),
);

test(
  "whatever a file declares is found by its full name",
  withLeakCheck(async () => {
    await using pair = await describedPair();
    const names = [
      "DescribedService",
      "DescribedService.Describe",
      "audience",
      "Described",
      "Described.name",
      "Described.subject",
      "Described.Mood",
      "Described.MOOD_WILD",
      "Described.Part",
      "Described.Part.label",
      "Described.Part.part",
      "note",
    ];
    const answers = await ask(
      pair,
      ...names.map((name) => ({ case: "fileContainingSymbol", value: `dubhe.testing.v1.${name}` }) as const),
      { case: "fileContainingSymbol", value: "google.protobuf.NULL_VALUE" },
    );
    assert.deepEqual(
      answers.map((answer) => filesOf(answer)[0]?.name),
      [...names.map(() => file("described")), "google/protobuf/struct.proto"],
    );
  }),
);

test(
  "extensions, by number and all numbers of a type",
  withLeakCheck(async () => {
    await using pair = await describedPair();
    const containingType = "dubhe.testing.v1.Described";
    const [nested, methodOption, numbers, none, ...options] = await ask(
      pair,
      { case: "fileContainingExtension", value: { containingType, extensionNumber: 101 } },
      {
        case: "fileContainingExtension",
        value: { containingType: "google.protobuf.MethodOptions", extensionNumber: 50_001 },
      },
      { case: "allExtensionNumbersOfType", value: containingType },
      { case: "allExtensionNumbersOfType", value: "dubhe.testing.v1.Bounds" },
      { case: "allExtensionNumbersOfType", value: "google.protobuf.FieldOptions" },
    );
    assert.equal(filesOf(nested)[0]?.name, file("described"));
    assert.equal(filesOf(methodOption)[0]?.name, file("described"));
    assert.ok(numbers?.case === "allExtensionNumbersResponse" && none?.case === "allExtensionNumbersResponse");
    assert.deepEqual([numbers.value.baseTypeName, numbers.value.extensionNumber], [containingType, [100, 101]]);
    assert.deepEqual([none.value.baseTypeName, none.value.extensionNumber], ["dubhe.testing.v1.Bounds", []]);
    assert.ok(options[0]?.case === "allExtensionNumbersResponse");
    assert.deepEqual(options[0].value.extensionNumber, [50_001]);
  }),
);

test(
  "custom options survive",
  withLeakCheck(async () => {
    await using pair = await describedPair();
    const [answer] = await ask(pair, { case: "fileContainingSymbol", value: DescribedService.typeName });
    const registry = registryOf(answer);
    const method = registry.getService(DescribedService.typeName)?.methods[0];
    const field = registry.getMessage("dubhe.testing.v1.Described")?.fields[0];
    assert.ok(method && field);
    assert.equal(getOption(method, audience), "everyone");
    assert.equal(getOption(field, bounds).most, 12);
  }),
);

test(
  "what is not there is an answer, not an end: the session goes on",
  withLeakCheck(async () => {
    await using pair = await describedPair();
    const answers = await ask(
      pair,
      { case: "fileByFilename", value: "absent.proto" },
      { case: "fileContainingSymbol", value: "dubhe.testing.v1.Absent" },
      { case: "fileContainingExtension", value: { containingType: "dubhe.testing.v1.Described", extensionNumber: 1 } },
      { case: "allExtensionNumbersOfType", value: "Absent" },
      { case: undefined },
      { case: "listServices", value: "" },
    );
    assert.deepEqual(
      answers.map((answer) => (answer.case === "errorResponse" ? answer.value.errorCode : answer.case)),
      [Code.NotFound, Code.NotFound, Code.NotFound, Code.NotFound, Code.Unimplemented, "listServicesResponse"],
    );
  }),
);

test(
  "v1alpha answers the same",
  withLeakCheck(async () => {
    await using pair = await describedPair();
    const session = pair
      .client(ServerReflectionV1Alpha)
      .serverReflectionInfo([
        { host: "h", messageRequest: { case: "fileContainingSymbol", value: DescribedService.typeName } },
        { messageRequest: { case: "fileContainingExtension", value: { containingType: "x", extensionNumber: 7 } } },
      ]);
    const found = (await session.next()).value;
    const missing = (await session.next()).value;
    assert.ok((await session.next()).done);
    assert.equal(found?.validHost, "h");
    assert.ok(found?.messageResponse.case === "fileDescriptorResponse");
    assert.equal(found.messageResponse.value.fileDescriptorProto.length, described.length);
    assert.equal(missing?.messageResponse.case, "errorResponse");
    assert.deepEqual(missing?.originalRequest?.messageRequest.value, {
      $typeName: "grpc.reflection.v1alpha.ExtensionRequest",
      containingType: "x",
      extensionNumber: 7,
    });
  }),
);

test(
  "further files: types that no service mentions",
  withLeakCheck(async () => {
    await using pair = await rpcPair();
    addReflection(pair.server, { files: [DescribedService.file] });
    const [answer] = await ask(pair, { case: "fileContainingSymbol", value: "dubhe.testing.v1.Bounds" });
    assert.equal(filesOf(answer).length, described.length);
  }),
);

test(
  "sessions end with the server and do not hold it up, whether a question is awaited or not",
  withLeakCheck(async () => {
    const clock = new VirtualClock();
    await using pair = await rpcPair({ clock });
    addReflection(pair.server);
    let more: () => void = () => undefined;
    async function* requests() {
      yield { messageRequest: { case: "listServices", value: "" } as const };
      await new Promise<void>((resolve) => {
        more = resolve;
      });
    }
    const session = pair.client(ServerReflection).serverReflectionInfo(requests());
    assert.equal((await session.next()).done, false);
    // No time passes: had it to wait for the grace, it would not resolve.
    const closed = pair.server.close({ graceMs: 60_000 });
    await assert.rejects(session.next(), { code: Code.Unavailable, source: "peer" });
    await closed;
    more();
  }),
);

test("a session whose request or answer fails is not kept", async () => {
  const sessions: ReflectionSessions = new Set();
  const broken: AsyncIterable<string> = {
    [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new Error("malformed")) }),
  };
  await assert.rejects(new ReflectionSession(broken, (request) => request, sessions).next(), /malformed/);
  assert.equal(sessions.size, 0);
  const question = (async function* (): AsyncGenerator<string> {
    yield "what?";
  })();
  const unanswerable = new ReflectionSession(
    question,
    () => {
      throw new Error("no answer");
    },
    sessions,
  );
  await assert.rejects(unanswerable.next(), /no answer/);
  assert.equal(sessions.size, 0);
});
