import type { DescFile } from "@bufbuild/protobuf";
import type { ServerReflectionRequest } from "../../gen/grpc/reflection/v1/reflection_pb.js";
import type { ServerReflectionRequest as RequestV1Alpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.js";
import { Code } from "../code.js";
import type { Router } from "../server/router.js";
import { DescriptorIndex, withDependencies } from "./descriptor-index.js";

/** Of either version: they differ in nothing but the package. */
export type ReflectionQuestion = ServerReflectionRequest["messageRequest"] | RequestV1Alpha["messageRequest"];

export type ReflectionAnswer =
  | { readonly case: "fileDescriptorResponse"; readonly value: { readonly fileDescriptorProto: Uint8Array[] } }
  | {
      readonly case: "allExtensionNumbersResponse";
      readonly value: { readonly baseTypeName: string; readonly extensionNumber: number[] };
    }
  | { readonly case: "listServicesResponse"; readonly value: { readonly service: { readonly name: string }[] } }
  | { readonly case: "errorResponse"; readonly value: { readonly errorCode: number; readonly errorMessage: string } };

/** What a router serves at the moment, described. */
export class Catalogue {
  readonly #router: Router;
  readonly #files: readonly DescFile[];
  #index: DescriptorIndex | undefined;
  #generation = -1;

  constructor(router: Router, files: readonly DescFile[]) {
    this.#router = router;
    this.#files = files;
  }

  /** `sent`: names of the files that the caller has; it grows. */
  answer(question: ReflectionQuestion, sent: Set<string>): ReflectionAnswer {
    switch (question.case) {
      case "fileByFilename":
        return fileAnswer(this.#current().file(question.value), sent, "file");
      case "fileContainingSymbol":
        return fileAnswer(this.#current().fileOf(question.value), sent, "symbol");
      case "fileContainingExtension": {
        const { containingType, extensionNumber } = question.value;
        return fileAnswer(this.#current().fileOfExtension(containingType, extensionNumber), sent, "extension");
      }
      case "allExtensionNumbersOfType": {
        const extensionNumber = this.#current().extensionNumbers(question.value);
        if (extensionNumber === undefined) return failure(Code.NotFound, "type not found");
        return { case: "allExtensionNumbersResponse", value: { baseTypeName: question.value, extensionNumber } };
      }
      case "listServices": {
        const names = this.#router.descriptors().map((service) => service.typeName);
        return { case: "listServicesResponse", value: { service: names.sort().map((name) => ({ name })) } };
      }
      case undefined:
        // Empty, or a kind that is newer than this server.
        return failure(Code.Unimplemented, "no such kind of request");
    }
  }

  #current(): DescriptorIndex {
    const { generation } = this.#router;
    if (this.#index === undefined || this.#generation !== generation) {
      this.#index = new DescriptorIndex([...this.#router.descriptors().map((service) => service.file), ...this.#files]);
      this.#generation = generation;
    }
    return this.#index;
  }
}

function fileAnswer(file: DescFile | undefined, sent: Set<string>, what: string): ReflectionAnswer {
  if (file === undefined) return failure(Code.NotFound, `${what} not found`);
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto: withDependencies(file, sent) } };
}

function failure(errorCode: number, errorMessage: string): ReflectionAnswer {
  return { case: "errorResponse", value: { errorCode, errorMessage } };
}
