import { type DescEnum, type DescExtension, type DescFile, type DescMessage, toBinary } from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";

const encoded = new WeakMap<DescFile, Uint8Array>();

/** The bytes of its FileDescriptorProto, custom options included: protobuf-es keeps them as unknown fields. */
function encodeFile(file: DescFile): Uint8Array {
  let bytes = encoded.get(file);
  if (bytes === undefined) {
    bytes = toBinary(FileDescriptorProtoSchema, file.proto);
    encoded.set(file, bytes);
  }
  return bytes;
}

/** What reflection can be asked about: some files, with all that they import. */
export class DescriptorIndex {
  readonly #files = new Map<string, DescFile>();
  readonly #symbols = new Map<string, DescFile>();
  /** By the message that is extended, then by number. */
  readonly #extensions = new Map<string, Map<number, DescFile>>();

  constructor(files: Iterable<DescFile>) {
    for (const file of files) this.#addFile(file);
  }

  file(name: string): DescFile | undefined {
    return this.#files.get(name);
  }

  /** By the full name of anything that a file declares: types, fields, oneofs, enum values, extensions, services, methods. */
  fileOf(symbol: string): DescFile | undefined {
    return this.#symbols.get(symbol);
  }

  fileOfExtension(extendee: string, number: number): DescFile | undefined {
    return this.#extensions.get(extendee)?.get(number);
  }

  /** Ascending; undefined when there is no such message. */
  extensionNumbers(extendee: string): number[] | undefined {
    if (!this.#symbols.has(extendee)) return undefined;
    return [...(this.#extensions.get(extendee)?.keys() ?? [])].sort((a, b) => a - b);
  }

  #addFile(file: DescFile): void {
    const { name } = file.proto;
    if (this.#files.has(name)) return;
    this.#files.set(name, file);
    for (const type of nestedTypes(file)) {
      this.#addSymbol(type.typeName, file);
      if (type.kind === "message") this.#addMembers(type);
      else if (type.kind === "enum") this.#addValues(type);
      else if (type.kind === "extension") this.#addExtension(type);
      else for (const method of type.methods) this.#addSymbol(`${type.typeName}.${method.name}`, file);
    }
    for (const dependency of file.dependencies) this.#addFile(dependency);
  }

  #addMembers({ typeName, fields, oneofs, file }: DescMessage): void {
    for (const member of [...fields, ...oneofs]) this.#addSymbol(`${typeName}.${member.name}`, file);
  }

  /** The values of an enum are siblings of it, as in C++. */
  #addValues({ parent, values, file }: DescEnum): void {
    const scope = parent?.typeName ?? file.proto.package;
    for (const { name } of values) this.#addSymbol(scope === "" ? name : `${scope}.${name}`, file);
  }

  #addExtension({ extendee, number, file }: DescExtension): void {
    let numbers = this.#extensions.get(extendee.typeName);
    if (numbers === undefined) this.#extensions.set(extendee.typeName, (numbers = new Map()));
    if (!numbers.has(number)) numbers.set(number, file);
  }

  #addSymbol(name: string, file: DescFile): void {
    if (!this.#symbols.has(name)) this.#symbols.set(name, file);
  }
}

/**
 * The file and what it imports, at any depth, as far as it is not in `sent` yet; they are now. The file itself always comes,
 * and first: the answer to a question is never empty.
 */
export function withDependencies(file: DescFile, sent: Set<string>): Uint8Array[] {
  const seen = new Set([file]);
  const answer: Uint8Array[] = [];
  // Grows while it is walked.
  for (const one of seen) {
    if (one === file || !sent.has(one.proto.name)) answer.push(encodeFile(one));
    sent.add(one.proto.name);
    for (const dependency of one.dependencies) seen.add(dependency);
  }
  return answer;
}
